"""Rows on synthetic lesions."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class LesionRow:
  """One size and number of lesions; AUCs are of images whose prediction the lesions left alone.

  `false_rate` is the share of images (all draws) whose prediction changed.
  """

  size: str
  count: int
  auc: float | None
  auc_low: float | None
  auc_high: float | None
  auc_within_class: float | None
  false_rate: float
  auc_paper: float | None
  false_rate_paper: float | None
  draws: int
  n_clean: int
  n_lesions: int
