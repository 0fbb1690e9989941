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
import itertools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from hfc_tf.attacks import Attack
from hfc_tf.errors import InputError
from hfc_tf.experiments import measures
from hfc_tf.experiments.common import study_result
from hfc_tf.results.features import DirectionRow
from hfc_tf.results.figures import PALETTE, Line, LineChart, MatrixChart
from hfc_tf.results.labels import attack_label, budget, percent
from hfc_tf.results.result import Result, Table
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]
_NOTES = (
  "Changes are those of the penultimate features, counted from the clean image. Cosines are means "
  "over the images; above two classes they are taken on the channels ‘Consistent_c’ of the target "
  "c, where Theorem II speaks.",
  "The penultimate features are what the last dense layer reads, so that the gradient with respect "
  "to them follows from its weights and the probabilities alone (TMI Eq. 8 and 12). Both gradients "
  "are taken in float64.",
  "An attack stopped early has taken the first steps of the same path.",
)


def run(config: Config, iterations: tuple[int, ...] = (1, 2, 5, 10, 20)) -> Result:
  """Attacks AdvTest with each attack and with BIM cut short.

  Args:
    config: its attacks are compared; BIM always is.
    iterations: after how many of its steps BIM is looked at, beside the last.

  Raises:
    InputError: for a classifier that does not end in a dense layer.
  """
  begun = time.monotonic()
  study = Study(config.resolved())
  aimed = study.aimed("adv_test")
  clean, targets = study.clean["adv_test"][aimed], study.targets["adv_test"][aimed]
  if clean.head is None:
    raise InputError("a classifier that ends in a dense layer", "another", "choose another --model")
  steps = int(study.config.steps or 0)
  bim = study.attack("bim")
  attacked: dict[tuple[str, int], Taps] = {}
  for step in (*sorted({t for t in iterations if 0 < t < steps}), steps):
    early = copy.copy(bim)  # shares the compiled loop; the size of a step stays
    early.steps = step
    attacked["bim", step] = _taps(study, "bim", early)
  for name in study.config.attacks:
    if name != "bim":
      attack = study.attack(name)
      attacked[name, attack.steps] = _taps(study, name, attack)
  kernel, bias = (np.asarray(array, np.float64) for array in clean.head)  # [C, K], [K]
  constant = measures.consistent(kernel, targets)  # [N, C]
  relevant = np.ones_like(constant) if kernel.shape[1] == 2 else constant
  z = {key: taps.features[taps.penultimate].astype(np.float64) for key, taps in attacked.items()}
  start = clean.features[clean.penultimate].astype(np.float64)
  changes = {key: values - start for key, values in z.items()}  # [N, C]
  direction = kernel.T[targets] - kernel.T[clean.labels]  # w_c - w_y, [N, C]
  pair = measures.commonest(clean.labels, targets)
  rows = [
    DirectionRow(
      "weights", *key, n=len(change), cosine=measures.cosine(change, direction, relevant),
      correlation=measures.correlation(change[pair].mean(0), direction[pair][0]),
    )
    for key, change in changes.items()
  ]  # fmt: skip
  rows += [
    DirectionRow("pair", *a, *b, n=len(start), cosine=measures.cosine(values, others, relevant))
    for (a, values), (b, others) in itertools.combinations(changes.items(), 2)
  ]
  path = {("bim", 0): start} | {key: values for key, values in z.items() if key[0] == "bim"}
  signs = measures.gradient_path(list(path.values()), kernel, bias, targets, constant)
  rows += [
    DirectionRow("gradient", *key, n=len(start), gradient_error=error, same_sign=same,
                 same_sign_elsewhere=other)
    for key, (error, same, other) in zip(path, signs, strict=True)
  ]  # fmt: skip
  example = changes["bim", steps][pair].mean(0)
  size = budget(study.config.eps_256)
  return study_result(
    "gradient_direction", study, begun, rows,
    title="Which way attacks push features", findings=_findings(rows, kernel.shape[1]),
    tables=[_weights_table(rows, size), _gradient_table(rows)],
    figures=[_cloud(rows, direction[pair][0], example, size), _matrix(rows, size)], notes=_NOTES,
  )  # fmt: skip


def _taps(study: Study, name: str, attack: Attack) -> Taps:
  taps, _ = study.taps_of(study.attacked(name, attack, "adv_test"), "adv_test")
  return taps[study.aimed("adv_test")]


def _label(attack: str, step: int) -> str:
  return f"{attack_label(attack)}, {step} step{'s' if step != 1 else ''}"


def _decimal(value: float | None) -> str:
  return "–" if value is None else f"{value:.2f}"


def _weights_table(rows: Sequence[DirectionRow], size: str) -> Table:
  body = [
    (_label(row.attack, row.step), _decimal(row.cosine), _decimal(row.correlation), str(row.n))
    for row in rows
    if row.kind == "weights"
  ]
  head = ("Attack", "Cosine with w_c − w_y", "Correlation over channels", "Images")
  return Table(f"Changes of the penultimate features against the weights; {size}", head, body)


def _gradient_table(rows: Sequence[DirectionRow]) -> Table:
  body = [
    (
      "clean" if row.step == 0 else _label(row.attack, row.step),
      "–" if row.gradient_error is None else f"{row.gradient_error:.1e}",
      percent(row.same_sign, 2), percent(row.same_sign_elsewhere, 2),
    )
    for row in rows
    if row.kind == "gradient"
  ]  # fmt: skip
  head = ("Path of BIM", "Largest error", "Sign kept on Consistent_c (%)", "and elsewhere (%)")
  return Table(
    "The gradient of Eq. 12 against the automatic one, and its signs since the clean image",
    head, body, "The error is in units of the largest |w_ik − w_ic|; rounding in float64 is 1e-16.",
  )  # fmt: skip


def _cloud(rows: Sequence[DirectionRow], direction: Array, change: Array, size: str) -> LineChart:
  last = [row for row in rows if (row.kind, row.attack) == ("weights", "bim")][-1]
  label = _label(last.attack, last.step)
  return LineChart(
    "change_against_weights", "Change of each channel against its weights",
    lines=[Line(label, direction, change, PALETTE[0], "", "o")], level=0, upright=0,
    x_label="w_ic − w_iy (weights of the last layer)", y_label="mean change of z_i under attack",
    alt=f"{len(change)} channels; correlation {_decimal(last.correlation)}.",
    caption=f"One point a channel of the penultimate layer, mean over the images; {size}. "
    f"Correlation {_decimal(last.correlation)}. A ReLU cannot fall below zero.",
  )  # fmt: skip


def _matrix(rows: Sequence[DirectionRow], size: str) -> MatrixChart:
  keys = [(row.attack, row.step) for row in rows if row.kind == "weights"]
  values = np.eye(len(keys))
  for row in rows:
    if row.kind == "pair":
      a = keys.index((row.attack, row.step))
      b = keys.index((str(row.other_attack), int(row.other_step or 0)))
      values[a, b] = values[b, a] = np.nan if row.cosine is None else row.cosine
  lowest = float(np.nanmin(values))
  return MatrixChart(
    "similarity", "Likeness of the changes", labels=[_label(*key) for key in keys], values=values,
    alt=f"Mean cosines between the feature changes of {len(keys)} attacks; the lowest is "
    f"{lowest:.2f}.",
    caption=f"Mean cosine of one image’s feature changes under two attacks; {size}. 1 is one "
    "direction, 0 none in common.",
  )  # fmt: skip


def _findings(rows: Sequence[DirectionRow], classes: int) -> list[str]:
  gradients = [row for row in rows if row.kind == "gradient"]
  error = max(row.gradient_error or 0.0 for row in gradients)
  last = gradients[-1]
  channels = "all channels" if classes == 2 else "the channels Consistent_c"
  shares = [last.same_sign, last.same_sign_elsewhere] if classes == 2 else [last.same_sign]
  lowest = min((share for share in shares if share is not None), default=None)
  sentences = [
    f"Over the {last.step} steps of BIM the gradient with respect to the penultimate features "
    f"keeps its sign in {percent(lowest, 2, unit=True)} of the pairs of an image and one of "
    f"{channels}; the analytic and the automatic gradient differ by at most {error:.0e} of the "
    "weights’ size."
  ]
  pairs = [row.cosine for row in rows if row.kind == "pair" and row.cosine is not None]
  weights = [row.correlation for row in rows if row.correlation is not None]
  if pairs and weights:
    sentences.append(
      f"Feature changes of different attacks and steps have cosines of {min(pairs):.2f} to "
      f"{max(pairs):.2f} with one another, and correlate with w_c − w_y at {min(weights):.2f} to "
      f"{max(weights):.2f}."
    )
  return sentences
