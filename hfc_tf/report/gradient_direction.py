"""The page on the direction of gradients and of feature changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hfc_tf.report.charts import PALETTE, Line, line_chart, matrix_chart
from hfc_tf.report.experiment import Section, Table
from hfc_tf.report.figures import Array, Figure
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label, number

if TYPE_CHECKING:
  from hfc_tf.experiments.gradient_direction import DirectionRow
  from hfc_tf.study.study import Study

_NOTES = (
  "Changes are those of the penultimate features, counted from the clean image. Cosines are means "
  "over the images; above two classes they are taken on the channels ‘Consistent_c’ of the target "
  "c, where Theorem II speaks.",
  "The penultimate features are what the last dense layer reads, so that the gradient with respect "
  "to them follows from its weights and the probabilities alone (TMI Eq. 8 and 12). Both gradients "
  "are taken in float64.",
  "An attack stopped early has taken the first steps of the same path.",
)


def section(study: Study, rows: Sequence[DirectionRow], direction: Array, change: Array) -> Section:
  """What the experiment's page shows.

  Args:
    study: where it was run.
    rows: of kind "weights", "pair" and "gradient".
    direction: w_ic - w_iy of the commonest pair of classes, [C].
    change: under all steps of BIM the mean change of each channel for this pair, [C].
  """
  budget = f"ε = {number(float(study.config.eps_256 or 0), 3)}/256"
  return Section(
    "Which way attacks push features", _sentences(rows, study.sources.dataset.num_classes),
    [_weights_table(rows, budget), _gradient_table(rows)],
    [_cloud(rows, direction, change, budget), _matrix(rows, budget)], _NOTES,
  )  # fmt: skip


def _label(attack: str, step: int) -> str:
  return f"{attack_label(attack)}, {step} step{'s' if step != 1 else ''}"


def _decimal(value: float | None) -> str:
  return "–" if value is None else f"{value:.2f}"


def _weights_table(rows: Sequence[DirectionRow], budget: str) -> Table:
  body = [
    (_label(row.attack, row.step), _decimal(row.cosine), _decimal(row.correlation), str(row.n))
    for row in rows
    if row.kind == "weights"
  ]
  head = ("Attack", "Cosine with w_c − w_y", "Correlation over channels", "Images")
  return Table(f"Changes of the penultimate features against the weights; {budget}", head, body)


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


def _cloud(rows: Sequence[DirectionRow], direction: Array, change: Array, budget: str) -> Figure:
  last = [row for row in rows if (row.kind, row.attack) == ("weights", "bim")][-1]
  label = _label(last.attack, last.step)
  return line_chart(
    "change_against_weights", "Change of each channel against its weights",
    [Line(label, direction, change, PALETTE[0], "", "o")], level=0, upright=0,
    x_label="w_ic − w_iy (weights of the last layer)", y_label="mean change of z_i under attack",
    alt=f"{len(change)} channels; correlation {_decimal(last.correlation)}.",
    caption=f"One point a channel of the penultimate layer, mean over the images; {budget}. "
    f"Correlation {_decimal(last.correlation)}. A ReLU cannot fall below zero.",
  )  # fmt: skip


def _matrix(rows: Sequence[DirectionRow], budget: str) -> Figure:
  keys = [(row.attack, row.step) for row in rows if row.kind == "weights"]
  values = np.eye(len(keys))
  for row in rows:
    if row.kind == "pair":
      a = keys.index((row.attack, row.step))
      b = keys.index((str(row.other_attack), int(row.other_step or 0)))
      values[a, b] = values[b, a] = np.nan if row.cosine is None else row.cosine
  lowest = float(np.nanmin(values))
  return matrix_chart(
    "similarity", "Likeness of the changes", [_label(*key) for key in keys], values,
    alt=f"Mean cosines between the feature changes of {len(keys)} attacks; the lowest is "
    f"{lowest:.2f}.",
    caption=f"Mean cosine of one image’s feature changes under two attacks; {budget}. 1 is one "
    "direction, 0 none in common.",
  )  # fmt: skip


def _sentences(rows: Sequence[DirectionRow], classes: int) -> list[str]:
  gradients = [row for row in rows if row.kind == "gradient"]
  error = max(row.gradient_error or 0.0 for row in gradients)
  last = gradients[-1]
  channels = "all channels" if classes == 2 else "the channels Consistent_c"
  kept = [last.same_sign, last.same_sign_elsewhere] if classes == 2 else [last.same_sign]
  lowest = min((share for share in kept if share is not None), default=None)
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
