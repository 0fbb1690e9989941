"""Rows on classifiers: how good they are, and how often an attack moves them."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class ClassifierRow:
  """One classifier on Test; rates are fractions, None where there is none to tell.

  `lowest_recall` is that of the class which is recognised least; `auc_low` and `auc_high` bound
  the AUC's 95 % interval, resampled by patient (two classes).
  """

  dataset: str
  source: str
  model: str
  image_size: int
  train: int
  test: int
  accuracy: float
  accuracy_paper: float | None
  balanced_accuracy: float
  lowest_recall: float
  auc: float | None
  auc_low: float | None
  auc_high: float | None
  auc_paper: float | None


@dataclasses.dataclass(frozen=True)
class SuccessRow:
  """How often an attack without HFC reaches its target on one form of the images."""

  form: str
  voxels: int
  eps_256: float
  adv_acc: float
  adv_acc_low: float
  adv_acc_high: float
  n: int
  accuracy: float
