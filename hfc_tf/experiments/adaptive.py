"""Does HFC hide better than other adaptive attacks?

MICCAI Table 3 and TMI Table II: features like those of a random or the closest guide image (Sabour
et al., 2016), the loss of the kernel density (Carlini and Wagner, 2017), that of the local
intrinsic dimensionality (Athalye et al., 2018), and HFC. Each term has the largest weight that
keeps Adv. Acc at 95 % on AdvTrain. Beyond the papers, two attacks that know the detector
(Bryniarski et al., 2021) bound what any attack can hide from it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

from hfc_tf.attacks import OrthogonalPGD, SelectivePGD
from hfc_tf.attacks.objectives import KDE, LID, Guide, Objective
from hfc_tf.detectors import DETECTORS
from hfc_tf.detectors.base import Detector
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import hiding_study, labelled_rows
from hfc_tf.report import adaptive as page
from hfc_tf.report.experiment import write_study
from hfc_tf.report.words import detector_label
from hfc_tf.study import cases, hiding
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

BOUNDS = dict(zip(page.KNOWING, (SelectivePGD, OrthogonalPGD), strict=True))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row(DetectionRow):
  """One detector against one method, a key of page.METHODS; `term_weight` is that of its term."""

  method: str
  term_weight: float | None


def run(config: Config, bounds: Sequence[str] = tuple(BOUNDS)) -> dict[str, Any]:
  """Attacks with every method and writes the report into config.out.

  Args:
    config: its first attack, and HFC at its weights.
    bounds: which of the attacks that know the detector are made, keys of BOUNDS.

  Returns:
    What results.json holds.
  """
  begun = time.monotonic()
  study, name = hiding_study(config)
  plain = study.attack(name)
  detectors = cases.fitted(study, name, {"attack": plain})
  shots = {"none": cases.shoot(study, name, plain)}
  weights: dict[str, float | None] = {"none": None}
  for method, term in rivals(study).items():
    attack = study.attack(name, term)
    start = hiding.balanced(study, attack, term.name)
    weight = hiding.tuned(study, name, attack, term.name, start, start)
    if weight is not None:
      hidden = hiding.weighted(attack, term.name, weight)
      shots[method], weights[method] = cases.shoot(study, name, hidden, "auto"), weight
  for rule, hidden in hiding.hidden(study, name).items():
    shots[f"hfc {rule}"] = cases.shoot(study, name, hidden, rule)
    weights[f"hfc {rule}"] = hidden.weights["hfc"]
  rows = [
    Row(**row, method=label.split()[0], term_weight=weights[label])
    for label, row in labelled_rows(cases.scored(study, detectors, shots))
  ]
  for bound in bounds:
    rows += _bound(study, bound, detectors)
  section = page.section(name, rows, study.config.dataset)
  return write_study("adaptive", study, begun, rows, section)


def rivals(study: Study) -> dict[str, Objective]:
  """The terms of the other adaptive attacks, by method."""
  train, seed = study.train, study.config.seed
  layers = list(train.features)
  return {
    "guide_random": Guide(train, "random", layers),
    "guide_closest": Guide(train, "closest", layers),
    "kde": KDE(train),
    "lid": LID(train, seed=seed),
  }


def _bound(study: Study, method: str, detectors: dict[str, Detector]) -> Iterator[Row]:
  """Each detector against the attack that knows it."""
  for name, detector in detectors.items():
    if detector.reads == "images" or not DETECTORS[name].differentiable:
      study.warn(f"{page.METHODS[method]} needs a gradient that {detector_label(name)} has not.")
      continue
    attack = BOUNDS[method](study.attacked_model, detector, **study.attack_settings())
    case = cases.scored(study, {name: detector}, {method: cases.shoot(study, "pgd", attack)})
    for _, row in labelled_rows(case):
      yield Row(**row, method=method, term_weight=None)
