"""Are volumes easier to attack than slices?

TMI Table I, columns "Brain": detection without and with HFC on 3-D images of several classes. TMI
Fig. 9: success of BIM over eps on volumes, on two-dimensional images and on volumes of half the
side, to test that sheer dimensionality makes vulnerable.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import wilson
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import AREAS, cells, heads, mean, printed, published
from hfc_tf.report.charts import MARKERS, PALETTE, Line, line_chart
from hfc_tf.report.experiment import Table, study_results, write_experiment
from hfc_tf.report.figures import Figure
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label, detector_label, number
from hfc_tf.study import cases
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

FRACTIONS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of --eps, where no budgets are given
_NOTES = (
  "All three are made of the same images with the same split: whole volumes; their middle slices, "
  "as two-dimensional images; volumes whose voxels are means of 2 x 2 x 2. Each has a classifier "
  "of its own, trained in the same way.",
  "The papers draw Fig. 9 over 0.01/256 to 0.2/256 and print no figures; their two-dimensional "
  "images are chest X-rays and fundus photographs, not slices.",
)


@dataclasses.dataclass(frozen=True)
class Success:
  """How often an attack without HFC reaches its target on one form of the images."""

  form: str
  voxels: int
  eps_256: float
  adv_acc: float
  adv_acc_low: float
  adv_acc_high: float
  n: int
  accuracy: float


def run(config: Config, budgets_256: Sequence[float] = ()) -> dict[str, Any]:
  """Attacks volumes, slices and halved volumes and writes the report into config.out.

  Args:
    config: of the volumes; its attacks are made without and with HFC on them, the first one of
      them at every budget on all forms.
    budgets_256: values of eps in 1/256; none: config's and fractions of it down to 1/32.

  Returns:
    What results.json holds; "success" has the curve's points.

  Raises:
    InputError: for images that are no volumes.
  """
  begun = time.monotonic()
  study = Study(dataclasses.replace(config, hfc=True).resolved())
  volumes = study.sources.dataset
  if volumes.pixels.ndim != 5:
    raise InputError(
      "volumes [N, D, H, W, C]", f"images of shape {volumes.pixels.shape[1:]}",
      "take --dataset=brain or give volumes in --data_dir",
    )  # fmt: skip
  rows: list[DetectionRow] = []
  start = 1.0
  for name in study.config.attacks:
    case = cases.plain_and_hidden(study, name, start=start)
    start = case.auto or start
    rows += [row for label in case.images for row in case.rows_of(label)]
  forms = {
    "volumes": study,
    "slices": study.beside("slices", slices(volumes)),
    "halved": study.beside("halved", halved(volumes)),
  }
  eps = float(study.config.eps_256 or 0)
  budgets = sorted(budgets_256) or [fraction * eps for fraction in FRACTIONS]
  points = [point for form, own in forms.items() for point in _success(form, own, budgets)]
  study.warn(*(f"{form}: {w}" for form, own in forms.items() if own is not study
               for w in own.warnings))  # fmt: skip
  tables = [_table(rows), _curve(points)]
  if published(dataset=study.config.dataset, table="Table I", attack=study.config.attacks[0]):
    tables.insert(1, _papers(study.config.dataset))
  results = study_results("volumes", study, begun)
  return write_experiment(
    config.out,
    results | {"success": [dataclasses.asdict(point) for point in points]},
    rows,
    title="Volumes against slices",
    lead=list(_findings(points, rows)),
    tables=tables,
    figures=[_figure(points)],
    notes=_NOTES,
  )


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


def _success(form: str, study: Study, budgets: Sequence[float]) -> Iterator[Success]:
  name, targets = study.config.attacks[0], study.targets["adv_test"]
  for budget in budgets:
    images = study.attacked(name, study.attack(name, eps=budget / 256), "adv_test")
    hits = int((study.subject.model.taps(images).predictions == targets).sum())
    low, high = wilson(hits, len(targets)) or (0.0, 1.0)
    voxels = int(np.prod(images.shape[1:]))
    share, accuracy = hits / len(targets), float(study.classifier["accuracy"] or 0)
    yield Success(form, voxels, budget, share, low, high, len(targets), accuracy)


def _findings(points: Sequence[Success], rows: Sequence[DetectionRow]) -> Iterator[str]:
  for form in dict.fromkeys(point.form for point in points):
    own = [point for point in points if point.form == form]
    average = sum(point.adv_acc for point in own) / len(own)
    yield (
      f"{form.capitalize()} ({own[0].voxels} values, accuracy {percent(own[0].accuracy)}): over "
      f"these budgets {percent(average, unit=True)} of the images reach their target on average."
    )
  for rule in dict.fromkeys(row.weight_rule for row in rows):
    area = mean(row.auc_within_class for row in rows if row.weight_rule == rule)
    words = "without HFC" if rule is None else f"with HFC ({rule})"
    yield f"On volumes {words}, the detectors' mean AUC is {percent(area, unit=True)}."


def _table(rows: Sequence[DetectionRow]) -> Table:
  detectors = list(dict.fromkeys(row.detector for row in rows))
  body = []
  for attack, rule in dict.fromkeys((row.attack, row.weight_rule) for row in rows):
    own = [row for row in rows if (row.attack, row.weight_rule) == (attack, rule)]
    words = "–" if rule is None else f"{rule} ({own[0].hfc_weight:.3g})"
    body.append([attack_label(attack), words, *cells(own, detectors), percent(own[0].adv_acc)])
  head = ["Attack", "HFC", *heads(detectors), "Adv. Acc"]
  caption = f"{AREAS} (pooled in brackets), on volumes, ε = {number(rows[0].eps_256, 3)}/256."
  return Table(caption, head, body)


def _papers(dataset: str) -> Table:
  names, body = ("kd", "maha", "lid", "svm", "dnn"), []
  for attack in ("bim", "pgd", "cw", "mim"):
    fields = {"table": "Table I", "dataset": dataset, "attack": attack}
    line = [*(published(**fields, detector=name, metric="auc") for name in names),
            published(**fields, detector=None, metric="adv_acc")]  # fmt: skip
    for side, words in (("without", "–"), ("with_hfc", "HFC")):
      body.append([attack_label(attack), words, *(printed(cell, side) for cell in line)])
  head = ["Attack", "HFC", *map(detector_label, names), "Adv. Acc"]
  return Table("The papers: pooled AUC, percent, ε = 1/256 (TMI, Table I).", head, body)


def _curve(points: Sequence[Success]) -> Table:
  forms = list(dict.fromkeys(point.form for point in points))
  share = {(p.form, p.eps_256): p for p in points}
  body = []
  for eps in dict.fromkeys(point.eps_256 for point in points):
    found = [share[form, eps] for form in forms]
    texts = [f"{percent(p.adv_acc)} [{percent(p.adv_acc_low, 0)}–{percent(p.adv_acc_high, 0)}]"
             for p in found]  # fmt: skip
    body.append([number(eps, 4), *texts])
  caption = "Adv. Acc over the budget without HFC, percent, with 95 % intervals."
  return Table(caption, ["ε (1/256)", *map(str.capitalize, forms)], body)


def _figure(points: Sequence[Success]) -> Figure:
  budgets = list(dict.fromkeys(point.eps_256 for point in points))
  lines = [
    Line(
      form.capitalize(), range(len(budgets)),
      [100 * p.adv_acc for p in points if p.form == form], PALETTE[i], marker=MARKERS[i],
    )
    for i, form in enumerate(dict.fromkeys(point.form for point in points))
  ]  # fmt: skip
  return line_chart(
    "success_over_budget",
    "Success over the budget",
    lines,
    x_label="ε (1/256)",
    y_label="Adv. Acc (%)",
    x_ticks={i: number(eps, 4) for i, eps in enumerate(budgets)},
    y_range=(0, 101),
    alt=" ".join(_findings(points, [])),
    caption="The share of AdvTest images that reach their target; more means more vulnerable.",
  )
