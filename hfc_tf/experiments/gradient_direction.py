"""Attacks push features in one direction: Theorems I and II, checked.

MICCAI Fig. 2 and section 3, TMI Fig. 2 and 3 and section III.A: the changes of the penultimate
features z follow the weights w_ic - w_iy of the last layer, are alike in all attacks and all
iterations of BIM, and the gradient

    grad_z_i J = sum_{k != c} p_k (w_ik - w_ic)    (TMI Eq. 12; Eq. 8 for two classes)

never changes its sign on the channels where w_ic is the largest weight ('Consistent_c'; with two
classes: on every channel).
"""

from __future__ import annotations

import copy
import dataclasses
import time
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.stats import pearsonr

from hfc_tf.attacks import Attack
from hfc_tf.errors import InputError
from hfc_tf.report import gradient_direction as page
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class DirectionRow:
  """One figure; `kind` says which of the fields it fills.

  "weights": mean cosine of an image's change dz with w_c - w_y, and the correlation over channels
  of the mean change with w_ic - w_iy (of the commonest pair of classes). "pair": mean cosine of
  the changes of one image under two attacks. "gradient": largest difference between Eq. 12 and the
  automatic gradient, in units of the largest |w_ik - w_ic|, and shares of (image, channel) whose
  gradient kept its sign from the clean image up to this step, on 'Consistent_c' and elsewhere.
  """

  kind: str
  attack: str
  step: int
  other_attack: str | None = None
  other_step: int | None = None
  cosine: float | None = None
  correlation: float | None = None
  gradient_error: float | None = None
  same_sign: float | None = None
  same_sign_elsewhere: float | None = None
  n: int = 0


def analytic_gradient(features: Array, kernel: Array, bias: Array, targets: Array) -> Array:
  """grad_z J = sum_{k != c} p_k (w_k - w_c)   (TMI Eq. 12), float64 [N, C].

  Args:
    features: z [N, C]. kernel: w [C, K]. bias: [K]; all float64. targets: c, int [N].
  """
  gaps, logits = _gaps(kernel, targets), features @ kernel + bias
  logits = logits - logits.max(1, keepdims=True)
  p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)  # [N, K]
  return np.asarray(np.einsum("nk,nck->nc", p, gaps))


def automatic_gradient(features: Array, kernel: Array, bias: Array, targets: Array) -> Array:
  """The same from TensorFlow's tape: J = ln sum_k exp(l_k - l_c), float64 [N, C].

  The differences are taken of the weights, not of the logits: next to a probability of one, what
  is left of the gradient would else be rounding.
  """
  z, gaps = tf.constant(features, tf.float64), tf.constant(_gaps(kernel, targets))
  offsets = tf.constant(bias[None] - bias[targets][:, None], tf.float64)  # [N, K]
  with tf.GradientTape() as tape:
    tape.watch(z)
    loss = tf.reduce_logsumexp(tf.einsum("nc,nck->nk", z, gaps) + offsets, axis=1)
  return np.asarray(tape.gradient(loss, z))


def _gaps(kernel: Array, targets: Array) -> Array:
  """w_ik - w_ic, [N, C, K]."""
  return np.asarray(kernel[None] - kernel.T[targets][:, :, None])


def consistent(kernel: Array, targets: Array) -> Array:
  """Where w_ic >= w_ik for every k: the channels 'Consistent_c' of TMI Eq. 13, bool [N, C]."""
  return np.asarray((_gaps(kernel, targets) <= 0).all(2))


def run(config: Config, iterations: tuple[int, ...] = (1, 2, 5, 10, 20)) -> dict[str, Any]:
  """Attacks AdvTest with each attack and with BIM cut short; writes the report into config.out.

  Args:
    config: its attacks are compared; BIM always is.
    iterations: after how many of its steps BIM is looked at, beside the last.

  Returns:
    What results.json holds.

  Raises:
    InputError: for a classifier that does not end in a dense layer.
  """
  begun = time.monotonic()
  study = Study(config.resolved())
  clean, targets = study.clean["adv_test"], study.targets["adv_test"]
  if clean.head is None:
    raise InputError("a classifier that ends in a dense layer", "another", "choose another --model")
  steps = int(study.config.steps or 0)
  bim = study.attack("bim")
  found: dict[tuple[str, int], Taps] = {}
  for step in (*sorted({t for t in iterations if 0 < t < steps}), steps):
    early = copy.copy(bim)  # shares the compiled loop; the size of a step stays
    early.steps = step
    found["bim", step] = _taps(study, "bim", early)
  for name in study.config.attacks:
    if name != "bim":
      attack = study.attack(name)
      found[name, attack.steps] = _taps(study, name, attack)
  kernel, bias = (np.asarray(part, np.float64) for part in clean.head)  # [C, K], [K]
  constant = consistent(kernel, targets)  # [N, C]
  relevant = np.ones_like(constant) if kernel.shape[1] == 2 else constant
  z = {key: taps.features[taps.penultimate].astype(np.float64) for key, taps in found.items()}
  start = clean.features[clean.penultimate].astype(np.float64)
  changes = {key: values - start for key, values in z.items()}  # [N, C]
  direction = kernel.T[targets] - kernel.T[clean.labels]  # w_c - w_y, [N, C]
  pair = _commonest(clean.labels, targets)
  rows = [
    DirectionRow(
      "weights", *key, n=len(change), cosine=_cosine(change, direction, relevant),
      correlation=_correlation(change[pair].mean(0), direction[pair][0]),
    )
    for key, change in changes.items()
  ]  # fmt: skip
  rows += [
    DirectionRow("pair", *a, *b, n=len(start), cosine=_cosine(changes[a], changes[b], relevant))
    for index, a in enumerate(changes)
    for b in list(changes)[index + 1 :]
  ]
  path = {("bim", 0): start} | {key: values for key, values in z.items() if key[0] == "bim"}
  rows += _gradient_rows(path, kernel, bias, targets, constant)
  example = changes["bim", steps][pair].mean(0)
  return page.write(study, rows, direction[pair][0], example, begun)


def _taps(study: Study, name: str, attack: Attack) -> Taps:
  return study.taps_of(study.attacked(name, attack, "adv_test"), "adv_test")[0]


def _commonest(labels: Array, targets: Array) -> Array:
  """The images of the pair (class, target) that most images have, bool [N]."""
  pairs = list(zip(labels.tolist(), targets.tolist(), strict=True))
  return np.array([pair == max(set(pairs), key=pairs.count) for pair in pairs])


def _cosine(a: Array, b: Array, channels: Array) -> float | None:
  """Mean over images of the cosine of two changes [N, C] on some channels, bool [N, C]."""
  a, b = np.where(channels, a, 0), np.where(channels, b, 0)
  norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
  moved = norms > 0
  return float(((a * b).sum(1)[moved] / norms[moved]).mean()) if moved.any() else None


def _correlation(change: Array, direction: Array) -> float | None:
  """Pearson's correlation over channels [C]."""
  return float(pearsonr(change, direction)[0]) if np.ptp(change) > 0 else None


def _gradient_rows(
  path: dict[tuple[str, int], Array], kernel: Array, bias: Array, targets: Array, constant: Array
) -> list[DirectionRow]:
  """One row a recorded step of BIM: Eq. 12 against the tape, and the signs so far."""
  scale = float(np.abs(_gaps(kernel, targets)).max())
  elsewhere = ~constant
  rows: list[DirectionRow] = []
  first, kept = None, np.ones_like(constant)
  for (attack, step), values in path.items():
    automatic = automatic_gradient(values, kernel, bias, targets)
    error = float(np.abs(automatic - analytic_gradient(values, kernel, bias, targets)).max())
    first = np.sign(automatic) if first is None else first
    kept &= np.sign(automatic) == first
    rows.append(DirectionRow(
      "gradient", attack, step, gradient_error=error / scale, n=len(values),
      same_sign=float(kept[constant].mean()) if constant.any() else None,
      same_sign_elsewhere=float(kept[elsewhere].mean()) if elsewhere.any() else None,
    ))  # fmt: skip
  return rows
