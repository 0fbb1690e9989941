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
import functools
import itertools
from collections.abc import Sequence

import numpy as np

from hfc_tf.errors import InputError
from hfc_tf.experiments import measures
from hfc_tf.experiments.common import study_result
from hfc_tf.experiments.natural import Natural
from hfc_tf.results import tables
from hfc_tf.results.feature_rows import DirectionRow
from hfc_tf.results.figures import PALETTE, Array, Chart, Line, LineChart, MatrixChart
from hfc_tf.results.labels import attack_label, budget, dataset_label, decimal, percent, share
from hfc_tf.results.result import Result, Table
from hfc_tf.results.starts import student_interval
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

_UNTESTED = (
  "Theorem II, which speaks of more than two classes, was not tested: give --natural_dir, or "
  "images of more classes."
)
_NOTES = (
  "Changes of the penultimate features, which the last dense layer reads, are counted from the "
  "clean image. Cosines are means over the images; above two classes they are taken on the "
  "channels ‘Consistent_c’ of the target c, where Theorem II speaks. Gradients are float64.",
)


def run(
  config: Config,
  iterations: tuple[int, ...] = (1, 2, 5, 10, 20),
  natural: Natural | None = None,
) -> Result:
  """Attacks AdvTest with each attack and with BIM cut short.

  Args:
    config: its attacks are compared; BIM always is.
    iterations: after how many of its steps BIM is looked at, beside the last.
    natural: images of several classes, all attacked towards the first: TMI Fig. 3 right, where
      'Consistent_0' are the channels of which Theorem II speaks. None where there are none.

  Raises:
    InputError: for a classifier that does not end in a dense layer.
  """
  study = Study(config.resolved())
  studies = {"medical": study}
  if natural is not None:
    studies["natural"] = natural.beside(study, "natural", target="0")
  rows: list[DirectionRow] = []
  lead, made, figures = [], [], list[Chart]()
  for domain, each in studies.items():
    of_domain, charts = _directions(each, domain, iterations)
    rows += of_domain
    name = dataset_label(each.config.dataset)
    about = f", {name}" if natural else ""
    lead.append(_finding(of_domain, name))
    made += [_weights_table(of_domain, budget(each.config.eps_256) + about),
             _gradient_table(of_domain, about)]  # fmt: skip
    figures += charts
  if natural is None and rows[0].classes == 2:
    lead.append(_UNTESTED)
  study.warn(*(f"Natural images: {text}" for text in studies[domain].warnings if natural))
  return study_result(
    "gradient_direction", study, rows, title="Which way attacks push features", lead=lead,
    tables=made, figures=figures, notes=_NOTES,
  )  # fmt: skip


def _directions(
  study: Study, domain: str, iterations: Sequence[int]
) -> tuple[list[DirectionRow], list[Chart]]:
  """The rows of one study, and its two figures."""
  aimed = study.aimed("adv_test")
  clean, targets = study.clean["adv_test"][aimed], study.targets["adv_test"][aimed]
  if clean.head is None:
    raise InputError("a classifier that ends in a dense layer", "another", "choose another --model")
  steps = int(study.config.steps or 0)
  bim = study.attack("bim")
  attacks = []
  for step in (*sorted({t for t in iterations if 0 < t < steps}), steps):
    attacks.append(("bim", copy.copy(bim)))  # shares the compiled loop; the size of a step stays
    attacks[-1][1].steps = step
  attacks += [(name, study.attack(name)) for name in study.config.attacks if name != "bim"]
  z: dict[tuple[str, int], Array] = {}  # [N, C]
  for name, attack in attacks:
    taps, _ = study.taps_of(study.attacked(name, attack, "adv_test"), "adv_test")
    z[name, attack.steps] = taps.features[taps.penultimate][aimed].astype(np.float64)
  kernel, bias = (np.asarray(array, np.float64) for array in clean.head)  # [C, K], [K]
  constant = measures.consistent(kernel, targets)  # [N, C]
  relevant = np.ones_like(constant) if kernel.shape[1] == 2 else constant
  start = clean.features[clean.penultimate].astype(np.float64)
  changes = {key: values - start for key, values in z.items()}  # [N, C]
  direction = kernel.T[targets] - kernel.T[clean.labels]  # w_c - w_y, [N, C]
  pair = measures.commonest(clean.labels, targets)
  row = functools.partial(DirectionRow, domain=domain, classes=kernel.shape[1])
  rows = [
    row(
      "weights", *key, n=len(change), cosine=measures.cosine(change, direction, relevant),
      correlation=measures.correlation(change[pair].mean(0), direction[pair][0]),
    )
    for key, change in changes.items()
  ]  # fmt: skip
  for (a, values), (b, others) in itertools.combinations(changes.items(), 2):
    each = measures.cosines(values, others, relevant)
    low, high = student_interval(each) or (None, None)
    mean = float(each.mean()) if len(each) else None
    rows.append(row("pair", *a, *b, n=len(each), cosine=mean, cosine_low=low, cosine_high=high))
  path = {("bim", 0): start} | {key: values for key, values in z.items() if key[0] == "bim"}
  signs = measures.gradient_path(list(path.values()), kernel, bias, targets, constant)
  rows += [
    row("gradient", *key, n=len(start), gradient_error=error, same_sign=same,
        same_sign_elsewhere=other)
    for key, (error, same, other) in zip(path, signs, strict=True)
  ]  # fmt: skip
  size, suffix = budget(study.config.eps_256), "" if domain == "medical" else f"_{domain}"
  if suffix:
    target = study.sources.dataset.class_names[0]
    size += f"; {dataset_label(study.config.dataset)}, target {target}"
  cloud = _cloud(rows, direction[pair][0], changes["bim", steps][pair].mean(0), size)
  charts = (cloud, _matrix(rows, size))
  return rows, [dataclasses.replace(each, name=f"{each.name}{suffix}") for each in charts]


def _of_kind(rows: Sequence[DirectionRow], kind: str) -> list[DirectionRow]:
  return [row for row in rows if row.kind == kind]


def _label(row: DirectionRow) -> str:
  steps = f"{row.step} step" if row.step == 1 else f"{row.step} steps"
  return f"{attack_label(row.attack)}, {steps}" if row.step else "clean"


def _weights_table(rows: Sequence[DirectionRow], size: str) -> Table:
  return tables.table(
    f"Changes of the penultimate features against the weights; {size}", _of_kind(rows, "weights"),
    {
      "Attack": _label, "Cosine with w_c − w_y": lambda row: decimal(row.cosine),
      "Correlation over channels": lambda row: decimal(row.correlation), "Images": "n",
    },
  )  # fmt: skip


def _gradient_table(rows: Sequence[DirectionRow], about: str) -> Table:
  return tables.table(
    "The gradient of Eq. 12 against the automatic one, and its signs since the clean image"
    + about,
    _of_kind(rows, "gradient"),
    {
      "Path of BIM": _label, "Largest error": lambda row: f"{row.gradient_error:.1e}",
      "Sign kept on Consistent_c (%)": lambda row: percent(row.same_sign, 2),
      "and elsewhere (%)": lambda row: percent(row.same_sign_elsewhere, 2),
    },
    "The error is in units of the largest |w_ik − w_ic|; rounding in float64 is 1e-16.",
  )  # fmt: skip


def _cloud(rows: Sequence[DirectionRow], direction: Array, change: Array, size: str) -> LineChart:
  last = [row for row in _of_kind(rows, "weights") if row.attack == "bim"][-1]
  return LineChart(
    "change_against_weights", "Change of each channel against its weights",
    lines=[Line(_label(last), direction, change, PALETTE[0], "", "o")], level=0, upright=0,
    x_label="w_ic − w_iy (weights of the last layer)", y_label="mean change of z_i under attack",
    caption=f"One point a channel of the penultimate layer, mean over the images; {size}. "
    f"Correlation {decimal(last.correlation)}. A ReLU cannot fall below zero.",
  )  # fmt: skip


def _matrix(rows: Sequence[DirectionRow], size: str) -> MatrixChart:
  attacks = _of_kind(rows, "weights")
  keys = [(row.attack, row.step) for row in attacks]
  values = np.eye(len(keys))
  for row in _of_kind(rows, "pair"):
    a = keys.index((row.attack, row.step))
    b = keys.index((str(row.other_attack), int(row.other_step or 0)))
    values[a, b] = values[b, a] = np.nan if row.cosine is None else row.cosine
  return MatrixChart(
    "similarity", "Likeness of the changes", labels=list(map(_label, attacks)), values=values,
    caption=f"Mean cosine of one image’s feature changes under two attacks; {size}. 1 is one "
    "direction, 0 none in common.",
  )  # fmt: skip


def _finding(rows: Sequence[DirectionRow], images: str) -> str:
  last = _of_kind(rows, "gradient")[-1]
  cosines = tables.mean(row.cosine for row in _of_kind(rows, "pair"))
  return (
    f"On {images} ({last.classes} classes), over the {last.step} steps of BIM, the gradient keeps "
    f"its sign in {share(last.same_sign, 2)} of the pairs of an image and a channel "
    f"‘Consistent_c’; the changes by two attacks have a mean cosine of {decimal(cosines)}."
  )
