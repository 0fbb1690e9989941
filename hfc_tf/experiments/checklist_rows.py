"""The rows of the checklist: every attack, and what each detector says of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from hfc_tf.evaluation.metrics import wilson
from hfc_tf.evaluation.protocol import AttackResult
from hfc_tf.evaluation.within_class import within_class
from hfc_tf.results.checklist import ChecklistRow
from hfc_tf.results.claims_base import Interval
from hfc_tf.study.comparison import Comparison
from hfc_tf.study.study import Study
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


class Record:
  """Collects rows of attacked AdvTest images.

  Args:
    study: whose images they are.
    compared: with the detectors that are asked.
  """

  def __init__(self, study: Study, compared: Comparison) -> None:
    self.study, self.compared, self.rows = study, compared, list[ChecklistRow]()
    clean = study.clean["adv_test"]
    self.groups = np.arange(len(clean)) if clean.groups is None else clean.groups

  def add_result(self, item: str, result: AttackResult, restarts: int = 1) -> None:
    """Adds the rows of an attack's result."""
    self.add(item, result.attack, result.images, result.taps, result.success, result.attacked,
               True, result.steps, result.weight_rule, result.eps_256, restarts)  # fmt: skip

  def add(
    self, item: str, attack: str, images: Array, taps: Taps, moved: Array, some: Array,
    targeted: bool, steps: int = 0, rule: str | None = None, eps_256: float | None = None,
    restarts: int = 1,
  ) -> list[ChecklistRow]:  # fmt: skip
    """Adds a row a detector of images under an attack; `some` of them were attacked."""
    clean, made = self.study.clean["adv_test"], []
    reached = share(moved[some])
    for name, threshold in self.compared.thresholds.items():
      scores = self.scores(name, images, taps)
      flagged = share((scores > threshold)[some])
      sides = (self.compared.scores[name]["clean"], clean.predictions, scores[moved],
               taps.predictions[moved])  # fmt: skip
      areas = within_class(*sides, self.groups, self.groups[moved])
      two_sided = {key: value for key, value in areas.items() if "two_sided" in key}
      made.append(ChecklistRow(
        item=item, attack=attack, weight_rule=rule, targeted=targeted, restarts=restarts,
        eps_256=float(self.study.config.eps_256 or 0) if eps_256 is None else eps_256, steps=steps,
        adv_acc=reached.value, adv_acc_low=reached.low, adv_acc_high=reached.high,
        n_attacked=reached.n, detector=name, flagged=flagged.value, flagged_low=flagged.low,
        flagged_high=flagged.high, **two_sided, n_adversarial=int(moved.sum()), n_clean=len(clean),
      ))  # fmt: skip
    self.rows += made
    return made

  def scores(self, name: str, images: Array, taps: Taps) -> Array:
    """What a detector says of attacked images [N]."""
    detector = self.compared.detectors[name]
    if detector.reads == "images":
      return detector.score_images(self.study.victim.model, images)
    return detector.score(taps)


def share(values: Array) -> Interval:
  """A share of images with Wilson's interval."""
  low, high = wilson(int(values.sum()), len(values)) or (0.0, 1.0)
  return Interval(float(values.mean()) if len(values) else 0.0, low, high, len(values))

