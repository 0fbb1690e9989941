"""Who is scored against whom: successful adversarials against clean AdvTest images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hfc_tf.errors import InputError
from hfc_tf.evaluation import metrics
from hfc_tf.results.rows import DetectionRow as DetectionRow
from hfc_tf.taps import Taps

Scores = npt.NDArray[np.float32]


class Scorer(Protocol):
  """What the protocol needs of a fitted detector."""

  threshold_: float

  def score(self, taps: Taps) -> Scores:
    """Scores `[N]`, higher = more adversarial."""


@dataclasses.dataclass(frozen=True, eq=False)
class AttackResult:
  """AdvTest under one attack: all its images, in their order, and what the classifier says of them.

  Attributes:
    attack: key of the attack.
    hfc: whether the hierarchical feature constraint took part.
    hfc_weight: weight on J_HFC; 0 without it.
    weight_rule: "paper", "auto" or, where it was given, "weight 0.3"; None without HFC.
    eps_256: radius of the ball in 1/256.
    step_size_256: step in 1/256.
    steps: number of steps.
    taps: of the attacked images `[N]`.
    targets: classes the attack aimed at `[N]`; an image of its target's class was not attacked.
    predictions_8bit: predictions on the attacked images rounded to 8 bits `[N]`.
    images: the attacked images `[N, ...]`.
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
  detector_name: str, detector: Scorer, clean: Taps, results: Sequence[AttackResult]
) -> list[DetectionRow]:
  """Scores clean AdvTest and every attack with one fitted detector and compares them.

  Args:
    detector_name: key of the detector.
    detector: fitted; it never sees AdvTest but here.
    clean: taps of the clean AdvTest images `[N]`; their `groups` are the patients of the intervals.
    results: attacks on the same images in the same order.

  Returns:
    A row per attack and population.

  Raises:
    InputError: an attack does not hold all AdvTest images.
  """
  scores = [detector.score(result.taps) for result in results]
  return rows_from_scores(
    detector_name, detector.threshold_, detector.score(clean), clean, results, scores
  )


def rows_from_scores(
  detector_name: str,
  threshold: float,
  clean_scores: Scores,
  clean: Taps,
  results: Sequence[AttackResult],
  result_scores: Sequence[Scores],
) -> list[DetectionRow]:
  """`detection_rows` for scores that are already there: `[N]` clean and `[N]` for each attack."""
  for result in results:
    if not len(result.taps) == len(result.targets) == len(result.predictions_8bit) == len(clean):
      raise InputError(
        f"{len(clean)} attacked images, one for each clean AdvTest image",
        f"{len(result.taps)} under {result.attack}",
        "attack all AdvTest images, in their order",
      )
  rows = []
  for result, scores in zip(results, result_scores, strict=True):
    masks = {"successful": result.success}
    peers = [a for a in results if (a.attack, a.eps_256) == (result.attack, result.eps_256)]
    if {peer.hfc for peer in peers} == {False, True}:
      masks["both_arms"] = np.logical_and.reduce([peer.success for peer in peers])
    rows += [
      _row(detector_name, threshold, clean_scores, clean, result, scores, population, mask)
      for population, mask in masks.items()
    ]
  return rows


def _row(
  detector_name: str,
  threshold: float,
  clean_scores: Scores,
  clean: Taps,
  result: AttackResult,
  scores: Scores,
  population: str,
  mask: npt.NDArray[np.bool_],
) -> DetectionRow:
  """One population of one attack against all clean AdvTest images."""
  groups = np.arange(len(clean)) if clean.groups is None else clean.groups
  adversarial, predictions = scores[mask], result.taps.predictions[mask]
  area = metrics.auc(clean_scores, adversarial)
  within = metrics.auc_within_class(clean_scores, clean.predictions, adversarial, predictions)
  pooled_interval = metrics.bootstrap_auc(clean_scores, adversarial, groups, groups[mask])
  within_interval = metrics.bootstrap_auc_within_class(
    clean_scores, clean.predictions, adversarial, predictions, groups, groups[mask]
  )
  interval = metrics.wilson(int(result.success.sum()), int(result.attacked.sum())) or (0.0, 1.0)
  return DetectionRow(
    attack=result.attack,
    hfc=result.hfc,
    hfc_weight=result.hfc_weight,
    weight_rule=result.weight_rule,
    eps_256=result.eps_256,
    step_size_256=result.step_size_256,
    steps=result.steps,
    detector=detector_name,
    population=population,
    auc=area,
    auc_low=pooled_interval[0] if pooled_interval else None,
    auc_high=pooled_interval[1] if pooled_interval else None,
    auc_within_class=within,
    auc_within_class_low=within_interval[0] if within_interval else None,
    auc_within_class_high=within_interval[1] if within_interval else None,
    auc_two_sided=metrics.two_sided(area),
    auc_within_class_two_sided=metrics.two_sided(within),
    tpr_at_90_tnr=metrics.tpr_at_tnr(clean_scores, adversarial, threshold=threshold),
    tpr_at_90_tnr_test_threshold=metrics.tpr_at_tnr(clean_scores, adversarial),
    tnr_at_threshold=float(np.mean(clean_scores <= threshold)),
    adv_acc=result.adv_acc,
    adv_acc_low=interval[0],
    adv_acc_high=interval[1],
    adv_acc_8bit=float(np.mean((result.predictions_8bit == result.targets)[result.attacked])),
    n_adversarial=int(mask.sum()),
    n_clean=len(clean),
  )
