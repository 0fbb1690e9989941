"""One attack without and with HFC, and the detectors that judge it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.attacks import Attack, sign_noise
from hfc_tf.detectors.base import Detector
from hfc_tf.evaluation import sanity
from hfc_tf.evaluation.protocol import AttackResult, detection_rows
from hfc_tf.results.labels import attack_label, hfc_label
from hfc_tf.results.rows import DetectionRow, SanityRow
from hfc_tf.study import grid, stages
from hfc_tf.study.adversarials import grey_images
from hfc_tf.study.hfc_weight import hfc_attacks
from hfc_tf.study.study import Study
from hfc_tf.taps import TappedModel, Taps
from hfc_tf.variants import parse

Array = np.ndarray[Any, Any]
_FEWEST = 10  # attacked images of AdvTrain that detectors learn from


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
  """Attacks on AdvTest, scored by detectors.

  Attributes:
    clean: taps of the clean AdvTest images.
    results: AdvTest under each attack, by its label ("attack", "paper", "auto", "weight 0.3"); in a
      comparison of `compare` first without HFC.
    scores: by detector, then "clean" and the labels.
    float_scores: by detector and label, of the images before they were stored; where they were.
    detectors: by name.
  """

  clean: Taps
  results: dict[str, AttackResult]
  scores: dict[str, dict[str, Array]]
  detectors: dict[str, Detector]
  float_scores: dict[str, dict[str, Array]] = dataclasses.field(default_factory=dict)

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
    results = {label: self.results[label] for label in labels or self.results}
    return [
      row
      for name, threshold in self.thresholds.items()
      for row in detection_rows(
        name, threshold, self.clean, results, self.scores[name], self.float_scores.get(name)
      )
    ]


def compare(study: Study, name: str, *, eps: float | None = None, start: float = 1.0) -> Comparison:
  """An attack without HFC and, if the study asks for it, with HFC; detectors learn the former.

  `eps` is another budget than the study's, N / 256 as that of --eps; `start` the first weight that
  "auto" tries.
  """
  plain = study.attack(name, eps=eps)
  _warn_of_weakness(study, name, plain)
  with_hfc = hfc_attacks(study, name, eps=eps, start=start) if study.config.hfc else {}
  attacks = {"attack": plain, **with_hfc}
  learnt = {"none": {"attack": plain}, "hfc": with_hfc, "mixture": attacks}[study.config.retrain]
  detectors = fit_detectors(study, name, learnt)
  results = {
    label: evaluate(study, name, attack, None if attack is plain else label)
    for label, attack in attacks.items()
  }
  eps_256 = results["attack"].eps_256  # one column of a table, whatever the weight on HFC
  results = {label: dataclasses.replace(each, eps_256=eps_256) for label, each in results.items()}
  return score(study, detectors, results)


def _warn_of_weakness(study: Study, name: str, attack: Attack) -> None:
  """Attacks one chunk of AdvTrain images again, with half of the steps."""
  model, some = study.victim.model, study.commonest_chunk()
  targets = study.targets["adv_train"][some]
  study.warn(*sanity.silent_gradients(model, study.images("adv_train", some), targets))
  if attack.steps < 2:
    return
  half = copy.copy(attack)  # shares the compiled loop
  half.steps //= 2
  success = [
    model.taps(study.attacked(name, each, "adv_train", some)).predictions == targets
    for each in (attack, half)
  ]
  study.warn(*sanity.weaker_than_half(name, *success))


def fit_detectors(
  study: Study,
  name: str,
  attacks: Mapping[str, Attack],
  settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Detector]:
  """Detectors that learnt clean, noisy and attacked AdvTrain images, by name.

  Several attacks make a mixture; settings are of a constructor, by the name without options.
  Where nearly none of the attacked images survive being stored, they learn from the floats.
  """
  config, clean = study.config, study.images("adv_train")
  budgets = [attack.eps for attack in attacks.values() if attack.eps is not None]
  usual = grid.unit(float(config.eps_256 or 0), study.levels)
  noisy = noisy_images(study, "adv_train", max(budgets, default=usual))
  results = [
    evaluate(study, name, attack, None if label == "attack" else label, subset="adv_train")
    for label, attack in attacks.items()
  ]
  before = [each.floats or each for each in results]
  if _fooled(results) < _FEWEST <= _fooled(before):
    study.warn(
      f"Of AdvTrain images attacked by {attack_label(name)} {_fooled(results)} reach their target "
      f"as files, {_fooled(before)} as floats: detectors learnt from the floats."
    )
    results = before
  training_set = stages.TrainingSet(
    taps={
      "train": study.train,
      "clean": study.clean["adv_train"],
      "noisy": study.taps_of(noisy, "adv_train")[0],
      "adversarial": Taps.concatenate([each.taps[each.success] for each in results]),
    },
    images={
      "clean": clean,
      "noisy": noisy,
      "adversarial": np.concatenate([each.images[each.success] for each in results]),
    },
  )

  def fit(detector: str) -> Detector:
    name, options = parse(detector)
    given = {"seed": config.seed, **options, **(settings or {}).get(name, {})}
    return stages.detector(study.store, name, given, study.victim, training_set)

  return study.timed("detectors", lambda: {each: fit(each) for each in config.detectors})


def _fooled(results: Iterable[AttackResult]) -> int:
  return sum(int(each.success.sum()) for each in results)


def noisy_images(study: Study, subset: str, eps: float) -> Array:
  """AdvTrain or AdvTest images with noise of an attack's size, as files: grey ones stay grey."""
  rows, free, clean = study.rows_of[subset], study.config.free_channels, study.images(subset)
  grey = grey_images(study.sources, study.victim, rows, free)
  noisy = np.empty_like(clean)
  for some, channels in ((grey, 1), (~grey, None)):
    given = clean[some][..., :channels]
    noisy[some] = sign_noise(given, eps, rows[some], study.config.seed)
  return study.stored(noisy, subset, eps)


def evaluate(
  study: Study,
  name: str,
  attack: Attack,
  rule: str | None = None,
  by: Study | None = None,
  subset: str = "adv_test",
) -> AttackResult:
  """The study's images under an attack, as files and, beside, as floats.

  Without a budget, eps is the largest change of any pixel.

  Args:
    rule: how its weight on HFC came about; None without HFC.
    by: the study on whose classifier the attack was made; None for `study`.
    subset: "adv_test" or "adv_train".
  """
  floats, eps = study.attacked(name, attack, subset, by=by, stored=False), attack.eps
  images = study.stored(floats, subset, eps)
  taps, predictions_8bit = study.taps_of(images, subset)
  if eps is None:
    pairs = zip(study.images(subset), images, strict=True)
    eps = float(max(np.abs(clean - attacked).max() for clean, attacked in pairs))
    eps = eps if study.levels is None else round(eps * study.levels) / study.levels
  result = AttackResult(
    attack=name,
    hfc="hfc" in attack.weights,
    hfc_weight=attack.weights.get("hfc", 0.0),
    weight_rule=rule,
    eps_256=grid.budget(eps, study.levels),
    step_size_256=grid.budget(attack.step_size or 0.0, study.levels),
    steps=attack.steps, taps=taps, targets=study.targets[subset], images=images,
    predictions_8bit=predictions_8bit, grid=grid.label(study.levels),
  )  # fmt: skip
  if study.levels is not None:
    before = dataclasses.replace(result, taps=study.taps_of(floats, subset)[0], images=floats)
    result = dataclasses.replace(result, floats=before)
    label = attack_label(name) + (f" {hfc_label(rule)}" if rule else "")
    lost = sanity.lost_as_files(label, before.adv_acc, result.adv_acc, result.grid)
    study.warn(*(lost if subset == "adv_test" else ()), first=True)
  logging.info("%s %s: Adv. Acc on %s %.3f", name, rule or "", subset, result.adv_acc)
  if subset == "adv_test":
    _check_channels(study, result)
  return result


def _check_channels(study: Study, result: AttackResult) -> None:
  """Adds the row "channels differ" of attacked AdvTest images."""
  clean, attacked = study.images("adv_test"), result.images[result.attacked]
  row = SanityRow(
    "channels differ", result.attack, result.hfc, result.hfc_weight, result.weight_rule,
    result.eps_256, sanity.channels_differ(clean, attacked), len(attacked), len(clean),
  )  # fmt: skip
  if row not in study.sanity:
    study.sanity.append(row)


def score(
  study: Study, detectors: dict[str, Detector], results: dict[str, AttackResult]
) -> Comparison:
  """What detectors say of clean AdvTest images and of these attacks, by their labels."""
  clean, model = study.clean["adv_test"], study.victim.model
  floats = {label: result.floats for label, result in results.items() if result.floats}
  scores, float_scores = {}, {}
  for name, detector in detectors.items():
    images = study.images("adv_test") if detector.reads == "images" else None
    normal = detector.score(clean) if images is None else detector.score_images(model, images)
    scores[name] = {"clean": normal, **_scored(detector, model, results)}
    float_scores[name] = _scored(detector, model, floats)
  return Comparison(clean, results, scores, detectors, float_scores)


def _scored(
  detector: Detector, model: TappedModel, results: Mapping[str, AttackResult]
) -> dict[str, Array]:
  if detector.reads == "images":
    return {name: detector.score_images(model, each.images) for name, each in results.items()}
  return {name: detector.score(each.taps) for name, each in results.items()}
