"""The main experiment: do detectors that see an attack still see it under HFC?

MICCAI Table 2 and TMI Table I: every detector learns from the attack without HFC on AdvTrain and
is asked about AdvTest, attacked without and with HFC in the same number of steps.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.attacks import Attack, HFCAttack, named
from hfc_tf.data.dataset import stratified_subset
from hfc_tf.evaluation import protocol
from hfc_tf.evaluation.weights import largest_weight
from hfc_tf.report import detection as page
from hfc_tf.study import attacked, stages
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]
_ADV_ACC = 0.95  # what the automatic weight must keep on AdvTrain


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
  """One attack in all its arms, scored.

  Attributes:
    clean: taps of the clean AdvTest images.
    arms: without HFC first, then with HFC at each weight.
    images: AdvTest under each arm, by "attack", "paper", "auto", "weight 0.3".
    scores: by detector, then "clean" and the names of `images`.
    thresholds: by detector.
  """

  clean: Taps
  arms: list[protocol.Arm]
  images: dict[str, Array]
  scores: dict[str, dict[str, Array]]
  thresholds: dict[str, float]


def run(config: Config) -> dict[str, Any]:
  """Runs the study and writes its report into config.out.

  Returns:
    What results.json holds.

  Raises:
    InputError: for whatever in flags, data or model cannot be used.
  """
  begun = time.monotonic()
  study = Study(config.resolved())
  cases: dict[str, Case] = {}
  for attack in study.config.attacks:
    cases[attack] = _case(study, attack, list(cases.values()))
  rows = [row for case in cases.values() for row in _rows(case)]
  return page.write(study, cases, rows, time.monotonic() - begun)


def _case(study: Study, name: str, earlier: list[Case]) -> Case:
  """Attacks without and with HFC, detectors fitted on the former, scores of both."""
  config = study.config
  plain = named(name)(study.subject.model, **study.attack_settings())
  learning = study.attacked(name, plain, "adv_train")
  adversarial, _ = study.taps_of(learning, "adv_train")
  fooled = adversarial.predictions == study.targets["adv_train"]
  logging.info("%s: Adv. Acc on AdvTrain %.3f", name, fooled.mean())
  noise = attacked.noisy(
    study.sources, study.subject, study.rows_of["adv_train"], plain.eps, config.seed
  )
  parts = {
    "train": study.train,
    "clean": study.clean["adv_train"],
    "noisy": study.taps_of(noise, "adv_train")[0],
    "adversarial": adversarial[fooled],
  }
  keys = {
    "train": study.train_key,
    "adv_train": study.rows_of["adv_train"],
    "targets": study.targets["adv_train"],
    "attack": {"name": name, **study.attack_settings()},
  }
  images = {"attack": study.attacked(name, plain, "adv_test")}
  arms = [_arm(study, name, plain, images["attack"], None)]
  if config.hfc:
    hidden = HFCAttack(study.subject.model, study.density[0], name, 1.0, **study.attack_settings())
    found = [arm.hfc_weight for case in earlier for arm in case.arms if arm.weight_rule == "auto"]
    start = found[-1] if found else 1.0
    for weight in config.hfc_weights:
      value = _auto(study, name, hidden, start) if weight == "auto" else float(weight)
      if value is None:
        continue
      hidden.weights["hfc"] = value
      rule = "auto" if weight == "auto" else "paper" if value == 1.0 else f"weight {value:g}"
      images[rule] = study.attacked(name, hidden, "adv_test")
      arms.append(_arm(study, name, hidden, images[rule], rule))
  detectors = {
    detector: study.timed(
      "detectors",
      functools.partial(stages.detector, study.store, detector, parts, keys, config.seed),
    )
    for detector in config.detectors
  }
  clean = study.clean["adv_test"]
  scores = {
    detector: {
      "clean": fitted.score(clean),
      **{arm.weight_rule or "attack": fitted.score(arm.taps) for arm in arms},
    }
    for detector, fitted in detectors.items()
  }
  thresholds = {detector: fitted.threshold_ for detector, fitted in detectors.items()}
  return Case(clean, arms, images, scores, thresholds)


def _arm(study: Study, name: str, attack: Attack, images: Array, rule: str | None) -> protocol.Arm:
  taps, predictions_8bit = study.taps_of(images, "adv_test")
  config = study.config
  arm = protocol.Arm(
    attack=name,
    hfc=rule is not None,
    hfc_weight=attack.weights.get("hfc", 0.0),
    weight_rule=rule,
    eps_256=float(config.eps_256 or 0),
    step_size_256=float(config.step_size_256 or 0),
    steps=int(config.steps or 0),
    taps=taps,
    targets=study.targets["adv_test"],
    predictions_8bit=predictions_8bit,
  )
  logging.info("%s %s: Adv. Acc on AdvTest %.3f", name, rule or "", arm.success.mean())
  return arm


def _auto(study: Study, name: str, hidden: Attack, start: float) -> float | None:
  """The largest weight that keeps Adv. Acc >= 95 % on images of AdvTrain."""
  config = study.config
  every = study.targets["adv_train"]
  some = stratified_subset(every, config.tuning_images, config.seed)
  some = some[np.argsort(every[some], kind="stable")]  # full chunks: one target each
  allowed = int((1 - _ADV_ACC) * len(some))

  def keeps(weight: float) -> bool:
    hidden.weights["hfc"] = weight
    failures = 0
    for first in range(0, len(some), config.batch_size):
      rows = some[first : first + config.batch_size]
      taps = study.subject.model.taps(study.attacked(name, hidden, "adv_train", rows))
      failures += int((taps.predictions != every[rows]).sum())
      if failures > allowed:
        break
    logging.info(
      "%s: weight %.3g fails on %d of the first %d images of AdvTrain (%d of %d are allowed)",
      name, weight, failures, first + len(rows), allowed, len(some),
    )  # fmt: skip
    return failures <= allowed

  weight = largest_weight(keeps, start=start)
  if weight is None:
    study.warnings.append(
      f"{name}: no weight on HFC keeps Adv. Acc at 95 % within this budget; 'auto' is left out."
    )
  return weight


def _rows(case: Case) -> list[dict[str, Any]]:
  """One row a detector, arm and population."""
  rows: list[dict[str, Any]] = []
  for detector, scores in case.scores.items():
    found = protocol.rows_from_scores(
      detector,
      case.thresholds[detector],
      scores["clean"],
      case.clean,
      case.arms,
      [scores[arm.weight_rule or "attack"] for arm in case.arms],
    )
    rows += [dataclasses.asdict(row) for row in found]
  return rows
