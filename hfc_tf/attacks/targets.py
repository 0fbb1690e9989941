"""Which class an image is to be taken for."""

from __future__ import annotations

from typing import Any

import numpy as np

from hfc_tf.attacks import inputs
from hfc_tf.attacks.budget import checked_seed
from hfc_tf.errors import InputError

RULES = ("random", "next", "least_likely")
IntArray = np.ndarray[Any, np.dtype[np.int32]]


def choose_targets(
  labels: Any, logits: np.ndarray[Any, Any], rule: str = "random", *, ids: Any = None, seed: int = 0
) -> IntArray:
  """Targets of a targeted attack, int32 [N].

  Args:
    labels: true classes, int [N].
    logits: of the clean images, [N, K].
    rule: "random" draws among the wrong classes, keyed by (seed, id); "next" takes the class
      after the true one; "least_likely" the wrong class of the smallest logit; a number takes
      that class for every image (an image of that class then has its own class as target, which
      callers drop).
    ids: int [N], default 0 ... N - 1.
    seed: of "random".

  Raises:
    InputError: for another rule, labels or a class that the model does not have, another number of
      labels or ids, a negative seed.
  """
  logits, rule = np.asarray(logits), str(rule)
  count, classes = logits.shape
  truth = inputs.classes(labels, count, classes)
  seed = checked_seed(seed)
  if rule == "next":
    return np.asarray((truth + 1) % classes, np.int32)
  if rule == "random":
    keys = inputs.sample_ids(ids, count)
    offsets = [np.random.default_rng([seed, int(key) % 2**64]).integers(1, classes) for key in keys]
    return np.asarray((truth + np.array(offsets, np.int64)) % classes, np.int32)
  if rule == "least_likely":
    wrong = np.where(np.eye(classes, dtype=bool)[truth], np.inf, logits)
    return np.asarray(wrong.argmin(1), np.int32)
  if rule.isdecimal() and int(rule) < classes:
    return np.full(len(truth), int(rule), np.int32)
  rules = f"a target rule: {', '.join(RULES)} or a class below {classes}"
  raise InputError(rules, repr(rule), "name one of them")
