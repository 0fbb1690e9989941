"""The weight on HFC or another term: given, or the largest that keeps the attack working."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf.attacks import BALANCED, Attack
from hfc_tf.attacks.objectives import HFC, Batch, Margin, TypicalHFC
from hfc_tf.errors import InputError
from hfc_tf.study import grid
from hfc_tf.study.study import Study
from hfc_tf.variants import parse

Array = np.ndarray[Any, Any]
KAPPA = 1.0  # the lead of the target's logit that a balanced attack asks for
ADV_ACC = 0.95  # what an attack must keep on AdvTrain


def hfc_attacks(
  study: Study, name: str, aim: str | None = None, eps: float | None = None, start: float = 1.0
) -> dict[str, Attack]:
  """The attack with HFC at each of the study's weights, by the weight's rule.

  `eps` (N / 256 as that of --eps) and `aim` are the study's where None; `start` is the first that
  "auto" tries.
  """
  aim = aim or study.config.aim
  term = typical_term(study) if aim == "typical" else study.hfc
  tried = {
    weight_rule(given, aim): hfc_attack(study, name, term, given, eps, start)
    for given in study.config.hfc_weights
  }
  attacks = {rule: attack for rule, attack in tried.items() if attack is not None}
  if not attacks and study.config.retrain != "none":
    expected = f"{name} with HFC, from which --retrain={study.config.retrain} learns"
    raise InputError(expected, "none that works", "take another --hfc_weight, or --retrain=none")
  return attacks


def hfc_attack(
  study: Study, name: str, term: HFC, given: str, eps: float | None = None, start: float = 1.0
) -> Attack | None:
  """The attack with this term at one of `Config.hfc_weights`; None, and why, where none works."""
  if given == "balanced":
    key, options = parse(name)
    if key in BALANCED and options.get("kappa", KAPPA):
      kappa = term.goal.kappa if isinstance(term.goal, Margin) else KAPPA
      return study.attack(name, term, eps=eps, kappa=kappa)
    able = f"{', '.join(BALANCED)} do, cw with kappa > 0"
    study.warn(f"{name} has no balanced form, which is left out: {able}.")
    return None
  attack = study.attack(name, term, eps=eps)
  auto = given == "auto"
  weight = tune_weight(study, name, attack, "hfc", start) if auto else float(given)
  return None if weight is None else with_weight(attack, "hfc", weight)


def typical_term(study: Study) -> TypicalHFC:
  """HFC at typical features; its margin is half the median lead of clean AdvTrain images.

  Half: on images of AdvTrain that detectors had not learnt from, DNN and LID saw less of a lead of
  3, about half the usual one there, than of the whole, and the others nearly the same.
  """
  leads = np.diff(np.sort(study.clean["adv_train"].logits, 1)[:, -2:])
  return TypicalHFC(study.density, study.train, margin=0.5 * float(np.median(leads)))


def weight_rule(given: str, aim: str = "mode") -> str:
  """What rows call a weight on HFC: its rule, "paper" (1, at the papers' aim) or "weight 0.3"."""
  if given in ("auto", "balanced"):
    return given
  return "paper" if float(given) == 1 and aim == "mode" else f"weight {float(given):g}"


def with_weight(attack: Attack, term: str, weight: float) -> Attack:
  """The same attack, its compiled loop included, with another weight on one term."""
  changed = copy.copy(attack)
  changed.weights = {**attack.weights, term: weight}
  return changed


def tune_weight(
  study: Study, name: str, attack: Attack, term: str, start: float = 1.0, scale: float = 1.0
) -> float | None:
  """The largest weight on a term that keeps Adv. Acc >= 95 % on images of AdvTrain.

  From `start`; weights from scale / 64 to 64 scale are tried.
  """

  def keeps(weight: float) -> bool:
    return succeeds(study, name, with_weight(attack, term, weight))

  weight = largest_weight(keeps, start=start, most=64 * scale, least=scale / 64)
  if weight is None:
    some, without = _tuning_images(study), with_weight(attack, term, 0.0)
    taps = study.victim.model.taps(study.attacked(name, without, "adv_train", some))
    reached = int((taps.predictions == study.targets["adv_train"][some]).sum())
    study.warn(
      f"{name}: no weight on {term} keeps Adv. Acc at 95 % within this budget; 'auto' is left out. "
      f"At weight 0 it is {reached / len(some):.0%} of {len(some)} images of AdvTrain."
    )
  return weight


def largest_weight(
  keeps: Callable[[float], bool],
  *,
  start: float = 1.0,
  most: float = 64.0,
  least: float = 1 / 64,
  precision: float = 2**0.5,
) -> float | None:
  """The largest weight at which the attack still works, to a factor of `precision` above 1.

  Doubles from `start` while it does, or halves until it does, then tries the geometric mean of the
  best weight and the first one that failed. None where even `least` fails.
  """
  weight, best, failed = start, None, None
  while least <= weight <= most and (best is None or failed is None):
    if keeps(weight):
      best, weight = weight, weight * 2
    else:
      failed, weight = weight, weight / 2
  while best and failed and failed / best > precision * (1 + 1e-9):
    middle = (best * failed) ** 0.5
    if keeps(middle):
      best = middle
    else:
      failed = middle
  return best


def smallest_budget(study: Study, name: str) -> float | None:
  """The smallest eps, N / 256 as that of --eps, at which Adv. Acc is 95 % or more on AdvTrain.

  To a factor of 2^(1/4), in whole grey levels of files, see `Study.attack`; None where 64 times the
  study's budget does not do.
  """
  most = float(study.config.eps_256 or 0)

  def eps(fraction: float) -> float:
    return grid.nearest(most / fraction, study.levels) / 256

  def keeps(fraction: float) -> bool:
    return succeeds(study, name, study.attack(name, eps=eps(fraction)))

  fraction = largest_weight(keeps, precision=2**0.25)
  return None if fraction is None else eps(fraction)


def succeeds(study: Study, name: str, attack: Attack) -> bool:
  """Whether Adv. Acc is 95 % or more on the tuning images of AdvTrain."""
  size, some = study.config.batch_size, _tuning_images(study)
  allowed, failures = int((1 - ADV_ACC) * len(some)), 0
  for first in range(0, len(some), size):
    rows = some[first : first + size]
    taps = study.victim.model.taps(study.attacked(name, attack, "adv_train", rows))
    failures += int((taps.predictions != study.targets["adv_train"][rows]).sum())
    if failures > allowed:
      break
  logging.info(
    "%s, eps %.3g/256, weights %s: fails on %d of the first %d images of AdvTrain "
    "(%d of %d are allowed)", name, 256 * (attack.eps or np.nan), attack.weights, failures,
    first + len(rows), allowed, len(some),
  )  # fmt: skip
  return failures <= allowed


def _tuning_images(study: Study) -> Array:
  """AdvTrain images by their number, in whole chunks of one target: smaller ones cost as much."""
  config, targets, aimed = study.config, study.targets["adv_train"], study.aimed("adv_train")
  rng = np.random.default_rng(config.seed)
  chosen = []
  for target in np.unique(targets[aimed]):
    members = rng.permutation(np.flatnonzero(aimed & (targets == target)))
    share = int(config.tuning_images or 1) * len(members) / aimed.sum()
    chosen.append(members[: max(1, round(share / config.batch_size)) * config.batch_size])
  return np.concatenate(chosen)


def balanced_weight(study: Study, attack: Attack, term: str) -> float:
  """The weight at which a term pulls as hard as the attack's first term: the ratio of the median
  L1 norms of their gradients on one chunk of clean AdvTrain images.
  """
  some, terms = study.commonest_chunk(), {each.name: each for each in attack.objective.terms}
  targets = tf.constant(study.targets["adv_train"][some])
  ids = tf.constant(study.rows_of["adv_train"][some], tf.int32)
  images = tf.constant(study.images("adv_train", some))
  norms = []
  for name in (attack.objective.terms[0].name, term):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(images)
      logits, features = attack.model(images)
      means = {layer: tf.stop_gradient(values) for layer, values in features.items()}
      batch = Batch(images, targets, ids, study.config.seed, means)
      value = terms[name].term(terms[name].prepare(batch), batch, logits, features)
    gradient = np.abs(tape.gradient(value, images).numpy()).reshape(len(some), -1)
    norms.append(float(np.median(gradient.sum(1))))
  return norms[0] / norms[1] if min(norms) > 0 else 1.0
