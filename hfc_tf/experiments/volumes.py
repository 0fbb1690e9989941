"""Are volumes easier to attack than slices?

TMI Table I, columns "Brain": detection without and with HFC on 3-D images of several classes. TMI
Fig. 9: success of BIM over eps on volumes, on two-dimensional images and on volumes of half the
side, to test that sheer dimensionality makes vulnerable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import wilson
from hfc_tf.experiments.common import budgets, fixed, hfc_study, labelled_rows, study_result
from hfc_tf.results import tables
from hfc_tf.results.figures import MARKERS, PALETTE, Line, LineChart
from hfc_tf.results.labels import attack_label, budget, number
from hfc_tf.results.result import Result, Table
from hfc_tf.results.rows import DetectionRow, SuccessRow
from hfc_tf.study import comparison
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

FRACTIONS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of --eps, where no budgets are given
_NOTES = (
  "Volumes, their middle slices, and volumes whose voxels are means of 2 x 2 x 2: the same images "
  "and split, each with a classifier of its own. The papers' two-dimensional images are no slices, "
  "and Fig. 9, over 0.01/256 to 0.2/256, prints no figures.",
)


def run(config: Config, budgets_256: Sequence[float] = ()) -> Result:
  """Attacks volumes, slices and halved volumes.

  Args:
    config: of the volumes; its attacks are made without and with HFC on them, the first one of
      them at every budget on all forms. Slices and halved volumes have classifiers of their own,
      small ResNets where that of the volumes does not fit them.
    budgets_256: values of eps in 1/256; none: config's and fractions of it down to 1/32.

  Returns:
    The result, whose summary holds "success", the curve's points.

  Raises:
    InputError: for images that are no volumes.
  """
  study, _ = hfc_study(config, budgets_256)
  wanted, volumes = budgets(study, budgets_256, FRACTIONS), study.sources.dataset
  if volumes.pixels.ndim != 5:
    raise InputError(
      "volumes [N, D, H, W, C]", f"images of shape {volumes.pixels.shape[1:]}",
      "take --dataset=brain or give volumes in --data_dir",
    )  # fmt: skip
  rows: list[DetectionRow] = []
  start = 1.0
  for name in study.config.attacks:
    compared = comparison.compare(study, name, start=start)
    start = compared.auto_weight or start
    rows += [DetectionRow(**row) for _, row in labelled_rows(compared)]
  # What was brought along fits volumes of one size only, and 3-D kernels fit no slices.
  model = "small_resnet" if study.config.model_path else study.config.model
  flat = "small_resnet" if model == "resnet18_3d" else model
  weights = study.config.weights if flat == study.config.model else None
  apart: dict[str, Any] = {"model_path": None, "split": None}
  forms = {
    "volumes": study,
    "slices": study.beside("slices", slices(volumes), model=flat, weights=weights, **apart),
    "halved": study.beside("halved", halved(volumes), model=model, **apart),
  }
  points = [point for form, each in forms.items() for point in _success(form, each, wanted)]
  study.warn(*(f"{form}: {w}" for form, each in forms.items() if each is not study
               for w in each.warnings))  # fmt: skip
  lead = tables.means(points, lambda row: row.form, "success over the budgets", "adv_acc")
  table = tables.detector_table(
    f"{tables.AREAS} (pooled in brackets), on volumes, {budget(rows[0].eps_256)}.", rows,
    {"Attack": lambda row: attack_label(row.attack), "HFC": tables.weight_label},
  )
  published = tables.papers_table(
    "The papers: pooled AUC, percent.", table="Table I", dataset=study.config.dataset
  )
  return study_result(
    "volumes", study, rows, {"success": points}, title="Volumes against slices",
    lead=[lead],
    tables=[table, *published, _curve(points)], figures=[_figure(points)],
    notes=[*_NOTES, fixed(study.config)],
  )  # fmt: skip


def slices(volumes: Dataset) -> Dataset:
  """The middle slice of every volume, [N, H, W, C]."""
  middle = volumes.pixels.shape[1] // 2
  name = f"{volumes.name}, middle slices"
  return dataclasses.replace(volumes, name=name, pixels=volumes.pixels[:, middle])


def halved(volumes: Dataset) -> Dataset:
  """Volumes of half the side: means over 2 x 2 x 2 voxels; an odd last plane is dropped."""
  count, *sides, channels = volumes.pixels.shape
  half = [side // 2 for side in sides]
  even = volumes.pixels[:, : 2 * half[0], : 2 * half[1], : 2 * half[2]]
  cut = [size for side in half for size in (side, 2)]
  blocks = even.reshape(count, *cut, channels)  # [N, D/2, 2, H/2, 2, W/2, 2, C]
  pixels = np.rint(blocks.mean(axis=(2, 4, 6))).astype(np.uint16)
  return dataclasses.replace(volumes, name=f"{volumes.name}, halved", pixels=pixels)


def _success(form: str, study: Study, wanted: Sequence[float]) -> Iterator[SuccessRow]:
  name, aimed = study.config.attacks[0], study.aimed("adv_test")
  targets = study.targets["adv_test"][aimed]
  for eps in wanted:
    images = study.attacked(name, study.attack(name, eps=eps / 256), "adv_test")
    hits = int((study.victim.model.taps(images).predictions[aimed] == targets).sum())
    low, high = wilson(hits, len(targets)) or (0.0, 1.0)
    voxels = int(np.prod(images.shape[1:]))
    share, accuracy = hits / len(targets), float(study.classifier["accuracy"] or 0)
    yield SuccessRow(form, voxels, eps, share, low, high, len(targets), accuracy)


def _curve(points: Sequence[SuccessRow]) -> Table:
  caption = "Adv. Acc over the budget without HFC, percent, with 95 % intervals."
  return tables.table(caption, points, {
    "Images": lambda row: f"{row.form.capitalize()} ({row.voxels} values)",
    "ε (1/256)": lambda row: number(row.eps_256, 4), "Adv. Acc": tables.interval("adv_acc"),
    "Accuracy": "accuracy",
  })  # fmt: skip


def _figure(points: Sequence[SuccessRow]) -> LineChart:
  by_form = tables.grouped(points, "form").items()
  lines = [
    Line(form.capitalize(), range(len(group)), [100 * point.adv_acc for point in group], color,
         marker=marker)
    for ((form,), group), color, marker in zip(by_form, PALETTE, MARKERS, strict=False)
  ]  # fmt: skip
  sizes = dict.fromkeys(point.eps_256 for point in points)
  return LineChart(
    "success_over_budget", "Success over the budget", lines=lines, y_range=(0, 101),
    x_label="ε (1/256)", x_ticks={i: number(eps, 4) for i, eps in enumerate(sizes)},
    y_label="Adv. Acc (%)",
    caption="The share of AdvTest images that reach their target; more means more vulnerable.",
  )  # fmt: skip
