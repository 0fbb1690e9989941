"""One attack without and with HFC, and the detectors that judge it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.attacks import Attack
from hfc_tf.detectors.base import Detector
from hfc_tf.evaluation import protocol
from hfc_tf.evaluation.protocol import AttackResult
from hfc_tf.results.rows import DetectionRow
from hfc_tf.study import adversarials, checks, stages
from hfc_tf.study.hfc_weight import hfc_attacks
from hfc_tf.study.study import Study
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
  """Attacks on AdvTest, scored by detectors.

  Attributes:
    clean: taps of the clean AdvTest images.
    results: AdvTest under each attack, by its label ("attack", "paper", "auto", "weight 0.3"); in a
      comparison of `compare` first without HFC.
    scores: by detector, then "clean" and the labels.
    detectors: by name.
  """

  clean: Taps
  results: dict[str, AttackResult]
  scores: dict[str, dict[str, Array]]
  detectors: dict[str, Detector]

  @property
  def thresholds(self) -> dict[str, float]:
    """Learnt on AdvTrain, by detector."""
    return {name: detector.threshold_ for name, detector in self.detectors.items()}

  @property
  def auto_weight(self) -> float | None:
    """The automatic weight on HFC, if there is one."""
    results = self.results.values()
    return next((each.hfc_weight for each in results if each.weight_rule == "auto"), None)

  def rows(self, *labels: str) -> list[DetectionRow]:
    """One row a detector, attack and population; with labels, as if only these were compared."""
    labels = labels or tuple(self.results)
    results = [self.results[label] for label in labels]
    return [
      row
      for name, threshold in self.thresholds.items()
      for scores in [self.scores[name]]
      for row in protocol.rows_from_scores(
        name, threshold, scores["clean"], self.clean, results, [scores[label] for label in labels]
      )
    ]


def fit_detectors(
  study: Study,
  name: str,
  attacks: Mapping[str, Attack],
  settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Detector]:
  """Detectors that learnt clean, noisy and attacked AdvTrain images, by name.

  Args:
    study: says which detectors.
    name: a key of ATTACKS.
    attacks: what they learn from, all of that name; several make a mixture.
    settings: of a detector's constructor, by its name.
  """
  config, rows = study.config, study.rows_of["adv_train"]
  budgets = [attack.eps for attack in attacks.values() if attack.eps is not None]
  eps = max(budgets, default=float(config.eps_256 or 0) / 256)
  noise = adversarials.noisy(study.sources, study.victim, rows, eps, config.seed)
  successful = [_successful(study, label, name, attack) for label, attack in attacks.items()]
  training_set = stages.TrainingSet(
    taps={
      "train": study.train,
      "clean": study.clean["adv_train"],
      "noisy": study.taps_of(noise, "adv_train")[0],
      "adversarial": Taps.concatenate([taps for _, taps in successful]),
    },
    images={
      "clean": study.images("adv_train"),
      "noisy": noise,
      "adversarial": np.concatenate([images for images, _ in successful]),
    },
  )
  return {
    detector: study.timed(
      "detectors",
      functools.partial(
        stages.detector,
        study.store,
        detector,
        {"seed": config.seed, **(settings or {}).get(detector, {})},
        study.victim,
        training_set,
      ),
    )
    for detector in config.detectors
  }


def _successful(study: Study, label: str, name: str, attack: Attack) -> tuple[Array, Taps]:
  """The AdvTrain images that the attack moves to their target, and their taps."""
  images = study.attacked(name, attack, "adv_train")
  taps, _ = study.taps_of(images, "adv_train")
  aimed = study.aimed("adv_train")
  success = aimed & (taps.predictions == study.targets["adv_train"])
  logging.info("%s %s: Adv. Acc on AdvTrain %.3f", name, label, success[aimed].mean())
  return images[success], taps[success]


def evaluate(
  study: Study, name: str, attack: Attack, rule: str | None = None, by: Study | None = None
) -> AttackResult:
  """AdvTest under an attack.

  Args:
    study: whose images and classifier.
    name: of the attack, in rows.
    attack: of that name.
    rule: how its weight on HFC came about; None without HFC.
    by: the study on whose classifier the attack was made; None for `study`.

  Returns:
    The result; where the attack has no budget, its eps is the largest change of any pixel.
  """
  images = study.attacked(name, attack, "adv_test", by=by)
  taps, predictions_8bit = study.taps_of(images, "adv_test")
  result = AttackResult(
    attack=name,
    hfc="hfc" in attack.weights,
    hfc_weight=attack.weights.get("hfc", 0.0),
    weight_rule=rule,
    eps_256=256 * (_largest_change(study, images) if attack.eps is None else attack.eps),
    step_size_256=256 * (attack.step_size or 0.0),
    steps=attack.steps,
    taps=taps,
    targets=study.targets["adv_test"],
    predictions_8bit=predictions_8bit,
    images=images,
  )
  logging.info("%s %s: Adv. Acc on AdvTest %.3f", name, rule or "", result.adv_acc)
  return result


def _largest_change(study: Study, images: Array) -> float:
  clean = study.images("adv_test")
  return float(max(np.abs(a - b).max() for a, b in zip(clean, images, strict=True)))


def score(
  study: Study, detectors: dict[str, Detector], results: dict[str, AttackResult]
) -> Comparison:
  """What detectors say of clean AdvTest images and of these attacks, by their labels."""
  clean = study.clean["adv_test"]
  scores: dict[str, dict[str, Array]] = {}
  for name, detector in detectors.items():
    if detector.reads == "images":
      images = {"clean": study.images("adv_test")}
      images |= {label: result.images for label, result in results.items()}
      model = study.victim.model
      scores[name] = {label: detector.score_images(model, each) for label, each in images.items()}
    else:
      taps = {"clean": clean, **{label: result.taps for label, result in results.items()}}
      scores[name] = {label: detector.score(each) for label, each in taps.items()}
  return Comparison(clean, results, scores, detectors)


def compare(study: Study, name: str, *, eps: float | None = None, start: float = 1.0) -> Comparison:
  """An attack without HFC and, if the study asks for it, with HFC; detectors learn the former.

  Args:
    study: says with which weights on HFC, and what else the detectors learn from.
    name: a key of ATTACKS.
    eps: another budget than the study's, in image units.
    start: the first weight that "auto" tries.
  """
  plain = study.attack(name, eps=eps)
  checks.check(study, name, plain)
  with_hfc = hfc_attacks(study, name, eps=eps, start=start) if study.config.hfc else {}
  attacks = {"attack": plain, **with_hfc}
  learnt = {"none": {"attack": plain}, "hfc": with_hfc, "mixture": attacks}
  detectors = fit_detectors(study, name, learnt[study.config.retrain])
  results = {
    label: evaluate(study, name, attack, None if attack is plain else label)
    for label, attack in attacks.items()
  }
  eps_256 = results["attack"].eps_256  # one column of a table, whatever the weight on HFC
  results = {
    label: dataclasses.replace(result, eps_256=eps_256) for label, result in results.items()
  }
  return score(study, detectors, results)
