"""One attack in all its arms, and the detectors that judge them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from hfc_tf.attacks import Attack
from hfc_tf.detectors.base import Detector
from hfc_tf.evaluation import protocol
from hfc_tf.study import attacked, checks, stages
from hfc_tf.study.hiding import hidden as hidden
from hfc_tf.study.study import Study
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


class Shot(NamedTuple):
  """AdvTest under one attack: the images, and what the classifier says of them."""

  images: Array
  arm: protocol.Arm


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
  """Attacks on AdvTest, scored by detectors.

  Attributes:
    clean: taps of the clean AdvTest images.
    arms: what was attacked how; in a case of `plain_and_hidden` first without HFC.
    images: AdvTest under each arm, by the arm's label ("attack", "paper", "auto", "weight 0.3").
    scores: by detector, then "clean" and the labels.
    detectors: by name.
  """

  clean: Taps
  arms: list[protocol.Arm]
  images: dict[str, Array]
  scores: dict[str, dict[str, Array]]
  detectors: dict[str, Detector]

  @property
  def thresholds(self) -> dict[str, float]:
    """Learnt on AdvTrain, by detector."""
    return {name: detector.threshold_ for name, detector in self.detectors.items()}

  @property
  def auto(self) -> float | None:
    """The automatic weight on HFC, if there is one."""
    return next((arm.hfc_weight for arm in self.arms if arm.weight_rule == "auto"), None)

  def labelled(self) -> dict[str, protocol.Arm]:
    """The arms by their label."""
    return dict(zip(self.images, self.arms, strict=True))

  def rows(self) -> list[protocol.DetectionRow]:
    """One row a detector, arm and population."""
    return [
      row
      for name, scores in self.scores.items()
      for row in protocol.rows_from_scores(
        name,
        self.thresholds[name],
        scores["clean"],
        self.clean,
        self.arms,
        [scores[label] for label in self.images],
      )
    ]

  def rows_of(self, label: str) -> list[protocol.DetectionRow]:
    """One row a detector: all successful adversarials of one arm."""
    arm = self.labelled()[label]
    return [
      row
      for name, scores in self.scores.items()
      for row in protocol.rows_from_scores(
        name, self.thresholds[name], scores["clean"], self.clean, [arm], [scores[label]]
      )
    ]


def fitted(
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
  noise = attacked.noisy(study.sources, study.subject, rows, eps, config.seed)
  learnt = [_fooled(study, label, name, attack) for label, attack in attacks.items()]
  lesson = stages.Lesson(
    taps={
      "train": study.train,
      "clean": study.clean["adv_train"],
      "noisy": study.taps_of(noise, "adv_train")[0],
      "adversarial": Taps.concatenate([shot for _, shot in learnt]),
    },
    images={
      "clean": study.images("adv_train"),
      "noisy": noise,
      "adversarial": np.concatenate([shown for shown, _ in learnt]),
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
        study.subject,
        lesson,
      ),
    )
    for detector in config.detectors
  }


def _fooled(study: Study, label: str, name: str, attack: Attack) -> tuple[Array, Taps]:
  """The AdvTrain images that the attack moves to their target, and their taps."""
  images = study.attacked(name, attack, "adv_train")
  taps, _ = study.taps_of(images, "adv_train")
  aimed = study.aimed("adv_train")
  success = aimed & (taps.predictions == study.targets["adv_train"])
  logging.info("%s %s: Adv. Acc on AdvTrain %.3f", name, label, success[aimed].mean())
  return images[success], taps[success]


def shoot(
  study: Study, name: str, attack: Attack, rule: str | None = None, by: Study | None = None
) -> Shot:
  """AdvTest under an attack.

  Args:
    study: whose images and classifier.
    name: of the attack, in rows.
    attack: of that name.
    rule: how its weight on HFC came about; None without HFC.
    by: the study on whose classifier the attack was made; None for `study`.

  Returns:
    The shot; where the attack has no budget, its eps is the largest change of any pixel.
  """
  images = study.attacked(name, attack, "adv_test", by=by)
  taps, predictions_8bit = study.taps_of(images, "adv_test")
  arm = protocol.Arm(
    attack=name,
    hfc="hfc" in attack.weights,
    hfc_weight=attack.weights.get("hfc", 0.0),
    weight_rule=rule,
    eps_256=256 * (_reach(study, images) if attack.eps is None else attack.eps),
    step_size_256=256 * (attack.step_size or 0.0),
    steps=attack.steps,
    taps=taps,
    targets=study.targets["adv_test"],
    predictions_8bit=predictions_8bit,
  )
  logging.info("%s %s: Adv. Acc on AdvTest %.3f", name, rule or "", arm.adv_acc)
  return Shot(images, arm)


def _reach(study: Study, images: Array) -> float:
  clean = study.images("adv_test")
  return float(max(np.abs(a - b).max() for a, b in zip(clean, images, strict=True)))


def scored(study: Study, detectors: dict[str, Detector], shots: Mapping[str, Shot]) -> Case:
  """What detectors say of clean AdvTest images and of these shots, by their labels."""
  clean, images = study.clean["adv_test"], {label: shot.images for label, shot in shots.items()}
  taps = {"clean": clean, **{label: shot.arm.taps for label, shot in shots.items()}}
  scores = {}
  for name, detector in detectors.items():
    if detector.reads == "images":
      shown = {"clean": study.images("adv_test"), **images}
      model = study.subject.model
      scores[name] = {label: detector.score_images(model, each) for label, each in shown.items()}
    else:
      scores[name] = {label: detector.score(each) for label, each in taps.items()}
  return Case(clean, [shot.arm for shot in shots.values()], images, scores, detectors)


def plain_and_hidden(
  study: Study, name: str, *, eps: float | None = None, start: float = 1.0
) -> Case:
  """An attack without HFC and, if the study asks for it, with HFC; detectors learn the former.

  Args:
    study: says with which weights on HFC, and what else the detectors learn from.
    name: a key of ATTACKS.
    eps: another budget than the study's, in image units.
    start: the first weight that "auto" tries.
  """
  plain = study.attack(name, eps=eps)
  checks.check(study, name, plain)
  concealed = hidden(study, name, eps=eps, start=start) if study.config.hfc else {}
  attacks = {"attack": plain, **concealed}
  lessons = {"none": {"attack": plain}, "hfc": concealed, "mixture": attacks}
  detectors = fitted(study, name, lessons[study.config.retrain])
  shots = {
    label: shoot(study, name, attack, None if attack is plain else label)
    for label, attack in attacks.items()
  }
  reach = shots["attack"].arm.eps_256  # one column of a table, whatever the weight on HFC
  shots = {
    label: shot._replace(arm=dataclasses.replace(shot.arm, eps_256=reach))
    for label, shot in shots.items()
  }
  return scored(study, detectors, shots)
