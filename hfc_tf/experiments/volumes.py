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

from hfc_tf.data import OPTIONS
from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import wilson
from hfc_tf.experiments.common import budgets, fixed, hfc_study, labelled_rows, study_result
from hfc_tf.results import tables
from hfc_tf.results.beside import table_one
from hfc_tf.results.figures import MARKERS, PALETTE, Line, LineChart
from hfc_tf.results.labels import attack_label, budget, dataset_label, model_label, number
from hfc_tf.results.result import Result, Table
from hfc_tf.results.rows import DetectionRow, SuccessRow
from hfc_tf.study import comparison, grid, values
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

FRACTIONS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of --eps, where no budgets are given
PAPERS_BUDGETS = (0.01, 0.02, 0.05, 0.1, 0.2)  # 1/256, over the span of TMI Fig. 9
_FLAT = {"resnet18_3d": "resnet18"}  # the same network with 2-D kernels
_NOTES = (
  "Volumes, their middle slices, and volumes whose voxels are means of 2 x 2 x 2: the same images, "
  "Train and Test, each with a classifier of its own and attacked where that is right. The papers' "
  "two-dimensional images are no slices but chest X-rays and fundus images on ResNet-50 (here by "
  "--datasets), and Fig. 9, over 0.01/256 to 0.2/256 at a step of 0.02/256, prints no figures. "
  "ResNet-18 (3D) begins with 3 x 3 x 3, pooled from 96 voxels on, where He et al. have "
  "7 x 7 and a pool: shallow volumes keep some depth.",
)


def run(
  config: Config,
  budgets_256: Sequence[float] = (),
  datasets: Sequence[str] = (),
  slices_model: str | None = None,
) -> Result:
  """Attacks volumes, slices and halved volumes, and two-dimensional data sets beside them.

  Args:
    config: of the volumes; its attacks are made without and with HFC on them, the first one of
      them at every budget on all forms. Slices and halved volumes have classifiers of their own.
    budgets_256: values of eps in 1/256; none: config's and fractions of it down to 1/32, in the
      papers' setting those of Fig. 9 where files have them.
    datasets: of two-dimensional images, as `values.images_of` reads them.
    slices_model: key of MODELS, of slices and of `datasets`; None: the volumes' with 2-D kernels,
      of `datasets` in the papers' setting resnet50.

  Returns:
    The result, whose summary holds "success", the curve's points.

  Raises:
    InputError: for images that are no volumes, or volumes among `datasets`.
  """
  study, _ = hfc_study(config, budgets_256)
  wanted, volumes = _budgets(study, budgets_256), study.sources.dataset
  if volumes.pixels.ndim != 5:
    raise InputError(
      "volumes [N, D, H, W, C]", f"images of shape {volumes.pixels.shape[1:]}",
      "take --dataset=brain or give volumes in --data_dir",
    )  # fmt: skip
  forms = _forms(study, slices_model) | _others(study, datasets, slices_model)
  rows: list[DetectionRow] = []
  start = 1.0
  for name in study.config.attacks:
    compared = comparison.compare(study, name, start=start)
    start = compared.auto_weight or start
    rows += [DetectionRow(**row) for _, row in labelled_rows(compared)]
  points = [point for form, each in forms.items() for point in _success(form, each, wanted)]
  study.warn(*(f"{form}: {w}" for form, each in forms.items() if each is not study
               for w in each.warnings))  # fmt: skip
  lead = tables.means(points, lambda row: row.form, "success over the budgets", "adv_acc")
  table = tables.detector_table(
    f"{tables.AREAS} (pooled in brackets), on volumes, {budget(rows[0].eps_256)}.", rows,
    {"Attack": lambda row: attack_label(row.attack), "HFC": tables.weight_label},
  )
  successful = [row for row in rows if row.population == "successful"]
  return study_result(
    "volumes", study, rows, {"success": points}, title="Volumes against slices",
    lead=[lead],
    tables=[table, *table_one(successful, "brain"), _curve(points)], figures=[_figure(points)],
    notes=[*_NOTES, *_difference(forms), fixed(study.config)],
  )  # fmt: skip


def _budgets(study: Study, given: Sequence[float]) -> list[float]:
  papers = tuple(each / float(study.config.eps_256 or 1) for each in PAPERS_BUDGETS)
  there = budgets(study, given, papers) if study.config.setting == "papers" or given else []
  return there or budgets(study, (), FRACTIONS)


def _forms(study: Study, slices_model: str | None) -> dict[str, Study]:
  """The volumes' study and those of slices and halved volumes, on the same Train and Test."""
  volumes = study.sources.dataset
  # What was brought along fits volumes of one size only, and 3-D kernels fit no slices.
  model = "small_resnet" if study.config.model_path else str(study.config.model)
  flat = slices_model or _FLAT.get(model, model)
  same: dict[str, Any] = {"model_path": None, "rows": study.sources.split}
  crop = study.config.crop
  sides = volumes.pixels.shape[1:-1]
  half = crop and tuple(str(min(int(c), side // 2)) for c, side in zip(crop, sides, strict=True))
  return {
    "volumes": study,
    "slices": study.beside(
      "slices", slices(volumes), crop=crop and crop[1:], **_network(study, flat), **same
    ),
    "halved": study.beside(
      "halved", halved(volumes), crop=half, **_network(study, model), **same
    ),
  }


def _others(study: Study, datasets: Sequence[str], model: str | None) -> dict[str, Study]:
  """Studies of two-dimensional data sets, by name."""
  ours = str(study.config.model)
  usual = "resnet50" if study.config.setting == "papers" else _FLAT.get(ours, ours)
  flat = model or ("small_resnet" if study.config.model_path else usual)
  apart = dict.fromkeys(("model_path", "split", "crop", *OPTIONS))
  others: dict[str, Study] = {}
  for entry in datasets:
    name, side, folder = values.images_of(entry)
    form = f"{name} {len(others) + 1}" if name in others else name
    others[form] = study.beside(
      form.replace(" ", "_"), dataset=name, data_dir=folder,
      image_size=side or study.config.image_size,
      **_network(study, flat), **apart,
    )  # fmt: skip
    if others[form].sources.dataset.pixels.ndim != 4:
      raise InputError("two-dimensional images at --datasets", name, "leave it out")
  return others


def _network(study: Study, model: str) -> dict[str, Any]:
  """An architecture with its start, which is another's only if --weights names it."""
  weights = study.config.weights
  fits = model == study.config.model or "=" in (weights or "")
  return {"model": model, "weights": weights if fits else None}


def _difference(forms: dict[str, Study]) -> list[str]:
  """A line where slices and volumes have networks of different kinds."""
  flat, whole = (str(forms[form].config.model) for form in ("slices", "volumes"))
  given = forms["volumes"].config.model_path
  if not given and flat == _FLAT.get(whole, whole):
    return []
  other = "a classifier of the user's" if given else model_label(whole)
  return [
    f"Slices are attacked on {model_label(flat)}, volumes on {other}: curves differ by it, too."
  ]


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
  there = grid.existing(list(wanted), study.levels)
  if lost := [f"{eps:g}/256" for eps in wanted if eps not in there]:
    study.warn(f"no budgets of {', '.join(lost)} in files of {grid.label(study.levels)}.")
  model = "a model of the user's" if study.config.model_path else str(study.config.model)
  for eps in there:
    images = study.attacked(name, study.attack(name, eps=eps / 256), "adv_test")
    hits = int((study.victim.model.taps(images).predictions[aimed] == targets).sum())
    low, high = wilson(hits, len(targets)) or (0.0, 1.0)
    voxels = int(np.prod(images.shape[1:]))
    share, accuracy = hits / len(targets), float(study.classifier["accuracy"] or 0)
    yield SuccessRow(form, voxels, eps, share, low, high, len(targets), accuracy, model)


def _curve(points: Sequence[SuccessRow]) -> Table:
  caption = "Adv. Acc over the budget without HFC, percent, with 95 % intervals."
  return tables.table(caption, points, {
    "Images": lambda row: f"{_label(row)} ({row.voxels} values)",
    "Classifier": lambda row: model_label(row.model),
    "ε (1/256)": lambda row: number(row.eps_256, 4), "Adv. Acc": tables.interval("adv_acc"),
    "Accuracy": "accuracy",
  })  # fmt: skip


def _figure(points: Sequence[SuccessRow]) -> LineChart:
  by_form = tables.grouped(points, "form").values()
  sizes = sorted({point.eps_256 for point in points})
  places = {eps: place for place, eps in enumerate(sizes)}
  lines = [
    Line(_label(group[0]), [places[point.eps_256] for point in group],
         [100 * point.adv_acc for point in group], color, marker=marker)
    for group, color, marker in zip(by_form, PALETTE, MARKERS, strict=False)
  ]  # fmt: skip
  return LineChart(
    "success_over_budget", "Success over the budget", lines=lines, y_range=(0, 101),
    x_label="ε (1/256)", x_ticks={place: number(eps, 4) for eps, place in places.items()},
    y_label="Adv. Acc (%)",
    caption="The share of AdvTest images that reach their target; more means more vulnerable.",
  )  # fmt: skip


def _label(row: SuccessRow) -> str:
  """ "Slices", "Chest X-rays"."""
  label = dataset_label(row.form)
  return label[:1].upper() + label[1:]
