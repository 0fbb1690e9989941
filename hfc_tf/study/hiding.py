"""The weight on a term that hides an attack: given, or the largest that keeps it working."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf.attacks import Attack
from hfc_tf.attacks.objectives import HFC, Batch, TypicalHFC
from hfc_tf.evaluation.weights import largest_weight
from hfc_tf.study.study import Study

Array = np.ndarray[Any, Any]
ADV_ACC = 0.95  # what an attack must keep on AdvTrain
_SCALES = (1.0, 3.0)  # of residuals, tried
_MOST = 5.0  # of them


def hidden(
  study: Study,
  name: str,
  term: HFC | None = None,
  *,
  aim: str | None = None,
  eps: float | None = None,
  start: float = 1.0,
) -> dict[str, Attack]:
  """The attack with HFC at each of the study's weights, by the weight's rule.

  Args:
    study: says which weights.
    name: a key of ATTACKS.
    term: the constraint; None for that of `aim`.
    aim: of the constraint; None for the study's.
    eps: another budget than the study's, in image units.
    start: the first weight that "auto" tries.
  """
  aim = aim or study.config.aim
  if term is None:
    term = typical(study, name, eps) if aim == "typical" else study.hfc
  attack = study.attack(name, term, eps=eps)
  attacks = {}
  for given in study.config.hfc_weights:
    value = tuned(study, name, attack, "hfc", start) if given == "auto" else float(given)
    if value is not None:
      attacks[rule_of(given, aim)] = weighted(attack, "hfc", value)
  return attacks


def typical(study: Study, name: str, eps: float | None = None) -> TypicalHFC:
  """HFC at typical features, its margin and scale taken from AdvTrain.

  The margin is the median lead of clean images. The scale is the one at which attacked features
  are as far from their components as clean ones, in the middle of the layers' ratios of median
  energies: by the line through two trials on the tuning images.

  Args:
    study: whose density, Train and AdvTrain.
    name: a key of ATTACKS.
    eps: another budget than the study's, in image units.
  """
  clean, rows = study.clean["adv_train"], _tuning_images(study)
  lead = np.diff(np.sort(clean.logits, 1)[:, -2:])
  targets, margin = study.targets["adv_train"][rows], float(np.median(lead))
  usual = study.hfc.energies(clean, clean.labels)
  ratios = []
  for scale in _SCALES:
    term = TypicalHFC(study.density[0], study.train, scale=scale, margin=margin)
    images = study.attacked(name, study.attack(name, term, eps=eps), "adv_train", rows)
    found = study.hfc.energies(study.subject.model.taps(images), targets)
    ratios.append(float(np.median([np.median(found[n]) / np.median(usual[n]) for n in usual])))
    logging.info("%s, scale %g: energies are %.2f of clean ones", name, scale, ratios[-1])
  slope = max((ratios[1] - ratios[0]) / (_SCALES[1] - _SCALES[0]), 1e-6)
  wanted = float(np.clip(_SCALES[0] + (1 - ratios[0]) / slope, 0, _MOST))
  return TypicalHFC(study.density[0], study.train, scale=round(wanted, 2), margin=margin)


def rule_of(given: str, aim: str = "mode") -> str:
  """What rows call a weight on HFC: "auto", "paper" (1, at the papers' aim) or "weight 0.3"."""
  if given == "auto":
    return given
  return "paper" if float(given) == 1 and aim == "mode" else f"weight {float(given):g}"


def weighted(attack: Attack, term: str, weight: float) -> Attack:
  """The same attack, its compiled loop included, with another weight on one term."""
  changed = copy.copy(attack)
  changed.weights = {**attack.weights, term: weight}
  return changed


def tuned(
  study: Study, name: str, attack: Attack, term: str, start: float = 1.0, scale: float = 1.0
) -> float | None:
  """The largest weight on a term that keeps Adv. Acc >= 95 % on images of AdvTrain.

  Args:
    study: whose classifier, AdvTrain and number of tuning images.
    name: a key of ATTACKS.
    attack: of that name, with the term in its objective.
    term: the name of the term.
    start: the first weight tried.
    scale: weights from scale / 64 to 64 scale are tried.
  """
  weight = largest_weight(
    lambda weight: works(study, name, weighted(attack, term, weight)),
    start=start,
    most=64 * scale,
    least=scale / 64,
  )
  if weight is None:
    study.warn(
      f"{name}: no weight on {term} keeps Adv. Acc at 95 % within this budget; 'auto' is left out."
    )
  return weight


def works(study: Study, name: str, attack: Attack) -> bool:
  """Whether Adv. Acc is 95 % or more on the tuning images of AdvTrain."""
  config = study.config
  every, some = study.targets["adv_train"], _tuning_images(study)
  allowed = int((1 - ADV_ACC) * len(some))
  failures = 0
  for first in range(0, len(some), config.batch_size):
    rows = some[first : first + config.batch_size]
    taps = study.subject.model.taps(study.attacked(name, attack, "adv_train", rows))
    failures += int((taps.predictions != every[rows]).sum())
    if failures > allowed:
      break
  budget = "no budget" if attack.eps is None else f"{256 * attack.eps:.3g}/256"
  logging.info(
    "%s, %s, weights %s: fails on %d of the first %d images of AdvTrain "
    "(%d of %d are allowed)",
    name, budget, attack.weights, failures, first + len(rows), allowed, len(some),
  )  # fmt: skip
  return failures <= allowed


def _tuning_images(study: Study) -> Array:
  """AdvTrain images by their number, in whole chunks of one target: a part costs as much."""
  config, targets = study.config, study.targets["adv_train"]
  aimed = study.aimed("adv_train")
  rng = np.random.default_rng(config.seed)
  chosen = []
  for target in np.unique(targets[aimed]):
    members = rng.permutation(np.flatnonzero(aimed & (targets == target)))
    share = int(config.tuning_images or 1) * len(members) / aimed.sum()
    chosen.append(members[: max(1, round(share / config.batch_size)) * config.batch_size])
  return np.concatenate(chosen)


def smallest_budget(study: Study, name: str) -> float | None:
  """The smallest eps, in image units, at which Adv. Acc is 95 % or more on AdvTrain.

  To a factor of 2^(1/4), with the study's number of steps; None where 64 times the study's budget
  does not do.
  """
  most = float(study.config.eps_256 or 0) / 256
  found = largest_weight(
    lambda fraction: works(study, name, study.attack(name, eps=most / fraction)),
    precision=2**0.25,
  )
  return None if found is None else most / found


def balanced(study: Study, attack: Attack, term: str) -> float:
  """The weight at which a term pulls as hard as the attack's first term.

  The ratio of the median L1 norms of their gradients on one chunk of clean AdvTrain images.

  Args:
    study: whose images.
    attack: with the term in its objective.
    term: the name of the term.
  """
  targets, aimed = study.targets["adv_train"], study.aimed("adv_train")
  commonest = np.bincount(targets[aimed]).argmax()
  some = np.flatnonzero(aimed & (targets == commonest))[: study.config.batch_size]
  images, ids = study.images("adv_train", some), study.rows_of["adv_train"][some]
  values = tf.constant(images)
  with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
    tape.watch(values)
    logits, features = attack.model(values)
    batch = Batch(values, tf.constant(targets[some]), tf.constant(ids, tf.int32), study.config.seed,
                  {name: tf.stop_gradient(means) for name, means in features.items()})  # fmt: skip
    terms = {
      part.name: part.term(part.prepare(batch), batch, logits, features)
      for part in attack.objective.terms
      if part.name in (term, attack.objective.terms[0].name)
    }
  own, other = (
    float(
      np.median(np.abs(tape.gradient(terms[name], values).numpy()).reshape(len(some), -1).sum(1))
    )
    for name in (attack.objective.terms[0].name, term)
  )
  return own / other if own > 0 and other > 0 else 1.0
