"""Who hides better, paired over images: the same patients are drawn for both attacks."""

from __future__ import annotations

from typing import Any

import numpy as np

from hfc_tf.evaluation import metrics
from hfc_tf.results.claims_base import FORMS as FORMS
from hfc_tf.results.claims_base import one_form
from hfc_tf.results.rows import PairRow
from hfc_tf.study.comparison import Comparison

Array = np.ndarray[Any, Any]
_TAILS = (2.5, 97.5)


def pair(
  what: str, first: tuple[Comparison, str], second: tuple[Comparison, str], /, **fields: Any
) -> list[PairRow]:
  """D = mean over detectors of F of the first attack less that of the second, with its interval.

  F is the mean over classes of max(A_c, 1 - A_c), of classes with 20 images on each side under both
  attacks. Both are drawn anew from the same patients; the interval holds the percentiles of the
  draws D* and, since folding moves F* upwards where a class lies near 1/2, also the basic interval
  2 D - D*. No row where no detector and class allow it.

  Args:
    first, second: comparisons on the same AdvTest images, and a label of each.
    fields: further ones of the row.
  """
  names = [name for name in first[0].scores if name in second[0].scores]
  drawn = []
  for name in names:
    one, other = (_areas(compared, label, name) for compared, label in (first, second))
    shared = sorted(set(one) & set(other))
    if shared:
      drawn.append(_folded(one, shared) - _folded(other, shared))  # [1 + D]
  if not drawn:
    return []
  mean = np.mean(drawn, axis=0)
  value, draws = float(mean[0]), mean[1:][~np.isnan(mean[1:])]
  low, high = np.percentile(draws, _TAILS)
  counts = [int(compared.results[label].success.sum()) for compared, label in (first, second)]
  return [PairRow(
    what=what, difference=value, low=float(min(low, 2 * value - high)),
    high=float(max(high, 2 * value - low)), detectors=len(drawn), n_first=counts[0],
    n_second=counts[1], **{"first": first[1], "second": second[1], **fields},
  )]  # fmt: skip


def form_of_hfc(compared: Comparison) -> str | None:
  """The label of the one form of HFC that claims speak of, see `claims_base.ONE_FORM`."""
  made = [{"weight_rule": each.weight_rule, "label": label}
          for label, each in compared.results.items() if each.hfc]  # fmt: skip
  chosen = one_form(made)[1]
  return chosen[0]["label"] if chosen else None


def _areas(compared: Comparison, label: str, name: str) -> dict[int, Array]:
  """A_c as it is and in each draw [1 + D], by class with enough images."""
  clean, result = compared.clean, compared.results[label]
  groups = np.arange(len(clean)) if clean.groups is None else clean.groups
  some = result.success
  normal, attacked = compared.scores[name]["clean"], compared.scores[name][label][some]
  sides = normal, clean.predictions, attacked, result.taps.predictions[some]
  classes, drawn = metrics.class_draws(*sides, groups, groups[some])  # of one seed
  areas = {}
  for place, c in enumerate(classes):
    pair_of = normal[sides[1] == c], attacked[sides[3] == c]
    if min(map(len, pair_of)) >= metrics.FEWEST:
      areas[int(c)] = np.concatenate([[metrics.auc(*pair_of)], drawn[:, place]])
  return areas


def _folded(areas: dict[int, Array], classes: list[int]) -> Array:
  """F as it is and in each draw [1 + D]."""
  values = np.stack([areas[c] for c in classes])
  return np.asarray(np.maximum(values, 1.0 - values).mean(0))
