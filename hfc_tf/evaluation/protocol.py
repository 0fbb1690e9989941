"""Who is scored against whom: successful adversarials against clean AdvTest images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hfc_tf.errors import InputError
from hfc_tf.evaluation import metrics
from hfc_tf.evaluation.within_class import class_areas, two_sided, within_class
from hfc_tf.results.rows import DetectionRow
from hfc_tf.taps import Taps

Scores = npt.NDArray[np.float32]
_SHARED = (
  "attack", "hfc", "hfc_weight", "weight_rule", "eps_256", "step_size_256", "steps", "grid",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class AttackResult:
  """AdvTest or AdvTrain under one attack: all images in their order, and what they are taken for.

  Attributes:
    attack: key of the attack. hfc: whether the hierarchical feature constraint took part.
    hfc_weight: weight on J_HFC; 0 without it.
    weight_rule: "paper", "auto" or, where it was given, "weight 0.3"; None without HFC.
    eps_256, step_size_256: radius of the ball and step in 1/256.
    taps: of the attacked images `[N]`.
    targets: classes the attack aimed at `[N]`; an image of its target's class was not attacked.
    predictions_8bit: predictions on the attacked images rounded to 8 bits `[N]`.
    images: the attacked images `[N, ...]`.
    grid: of the files that these are, e.g. "8 bits"; "float" for none.
    floats: the same before the images were stored; None for what they are now.
  """

  attack: str
  hfc: bool
  hfc_weight: float
  weight_rule: str | None
  eps_256: float
  step_size_256: float
  steps: int
  taps: Taps
  targets: npt.NDArray[np.integer]
  predictions_8bit: npt.NDArray[np.integer]
  images: npt.NDArray[np.float32]
  grid: str = "float"
  floats: AttackResult | None = None

  @property
  def attacked(self) -> npt.NDArray[np.bool_]:
    """Which images were attacked `[N]`."""
    return np.asarray(self.targets != self.taps.labels)

  @property
  def success(self) -> npt.NDArray[np.bool_]:
    """Where the prediction, made anew from the attacked image, is the target `[N]`."""
    return np.asarray(self.attacked & (self.taps.predictions == self.targets))

  @property
  def adv_acc(self) -> float:
    """The share of attacked images that reach their target."""
    return float(np.mean(self.success[self.attacked]))


def detection_rows(
  detector: str,
  threshold: float,
  clean: Taps,
  results: Mapping[str, AttackResult],
  scores: Mapping[str, Scores],
  float_scores: Mapping[str, Scores] | None = None,
) -> list[DetectionRow]:
  """A row per attack and population: attacked AdvTest images against the clean ones.

  Args:
    threshold: of the detector, learnt on AdvTrain.
    clean: taps of the clean AdvTest images `[N]`; their `groups` are the patients of the intervals.
    results: attacks on the same images in the same order, by any labels.
    scores: `[N]` of "clean" and of each label.
    float_scores: `[N]` of each label whose result has `floats`.

  Raises:
    InputError: an attack does not hold all AdvTest images.
  """
  rows = []
  for label, result in results.items():
    if not len(result.taps) == len(result.targets) == len(result.predictions_8bit) == len(clean):
      raise InputError(
        f"{len(clean)} attacked images, one for each clean AdvTest image",
        f"{len(result.taps)} under {result.attack}",
        "attack all AdvTest images, in their order",
      )
    peers = [
      other
      for other in results.values()
      if (other.attack, other.eps_256) == (result.attack, result.eps_256)
    ]
    chosen, before = _populations(result, peers), result.floats or result
    floats = _populations(before, [peer.floats or peer for peer in peers])
    by_float = float_scores[label] if result.floats and float_scores else scores[label]
    for name, some in chosen.items():
      measured = _measured(clean, scores["clean"], result, scores[label], some, threshold)
      if name != "successful":
        measured["evasion_rate"] = None
      measured |= _measured_floats(clean, scores["clean"], before, by_float, floats[name])
      rows.append(DetectionRow(detector=detector, population=name, **measured))
  return rows


def _populations(
  result: AttackResult, peers: list[AttackResult]
) -> dict[str, npt.NDArray[np.bool_]]:
  """Which images `[N]` of an attack are scored, by population; see `DetectionRow`."""
  populations = {"successful": result.success}
  if {peer.hfc for peer in peers} == {False, True}:
    populations["both_arms"] = np.logical_and.reduce([peer.success for peer in peers])
  return populations


def _measured_floats(
  clean: Taps,
  clean_scores: Scores,
  result: AttackResult,
  scores: Scores,
  chosen: npt.NDArray[np.bool_],
) -> dict[str, Any]:
  """The figures of attacked images before they were stored."""
  predictions = result.taps.predictions[chosen]
  sides = (clean_scores, clean.predictions, scores[chosen], predictions)
  return {
    "adv_acc_float": result.adv_acc,
    "auc_within_class_float": metrics.auc_within_class(*sides, fewest=metrics.FEWEST),
    "auc_within_class_two_sided_float": two_sided(class_areas(*sides)),
  }


def _measured(
  clean: Taps,
  clean_scores: Scores,
  result: AttackResult,
  scores: Scores,
  chosen: npt.NDArray[np.bool_],
  threshold: float,
) -> dict[str, Any]:
  """The chosen images of one attack against all clean AdvTest images."""
  groups = np.arange(len(clean)) if clean.groups is None else clean.groups
  adversarial, predictions = scores[chosen], result.taps.predictions[chosen]
  sides = (clean_scores, clean.predictions, adversarial, predictions)
  area = metrics.auc(clean_scores, adversarial)
  intervals = {
    "auc": metrics.bootstrap_auc(clean_scores, adversarial, groups, groups[chosen]),
    "adv_acc": metrics.wilson(int(result.success.sum()), int(result.attacked.sum())) or (0.0, 1.0),
  }
  bounds = {
    f"{name}_{end}": bound
    for name, interval in intervals.items()
    for end, bound in zip(("low", "high"), interval or (None, None), strict=True)
  }
  return (
    {name: getattr(result, name) for name in _SHARED}
    | bounds
    | within_class(*sides, groups, groups[chosen])
    | {
      "auc": area,
      "auc_two_sided": metrics.two_sided(area),
      "tpr_at_90_tnr": metrics.tpr_at_tnr(clean_scores, adversarial, threshold=threshold),
      "tpr_at_90_tnr_test_threshold": metrics.tpr_at_tnr(clean_scores, adversarial),
      "evasion_rate": float(np.sum(adversarial <= threshold) / max(1, result.attacked.sum())),
      "tnr_at_threshold": float(np.mean(clean_scores <= threshold)),
      "adv_acc": result.adv_acc,
      "adv_acc_8bit": float(np.mean((result.predictions_8bit == result.targets)[result.attacked])),
      "n_adversarial": int(chosen.sum()),
      "n_clean": len(clean),
    }
  )
