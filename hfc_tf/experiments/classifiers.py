"""The attacked classifiers: every data set with every backbone, beside what the papers quote.

MICCAI section 5.1 gives the AUCs, TMI section V.A the Test images that the classifier gets wrong.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hfc_tf.data import OPTIONS
from hfc_tf.evaluation.curves import roc_curve
from hfc_tf.evaluation.metrics import bootstrap_auc
from hfc_tf.models import training
from hfc_tf.results import papers, tables
from hfc_tf.results.figures import PALETTE, Array, Line, LineChart
from hfc_tf.results.labels import dataset_label, model_label, percent
from hfc_tf.results.result import Result, Table
from hfc_tf.results.rows import ClassifierRow
from hfc_tf.storage.store import Store
from hfc_tf.study import stages, values
from hfc_tf.study.config import Config
from hfc_tf.study.setting import backbones, deviations
from hfc_tf.study.sources import load_sources
from hfc_tf.study.victim import load_victim

_PAPERS_SIDES = {"brain": "270"}
_NOTES = (
  "Classifiers learn on Train from random weights unless --weights says otherwise, the papers' "
  "from ImageNet's; their accuracy follows from the Test images that TMI drops as misclassified "
  "(7 of 733 fundus, 101 of 1,173 chest, 50 of 297 brain).",
)


def run(config: Config, datasets: Sequence[str] = (), models: Sequence[str | None] = ()) -> Result:
  """Trains every backbone on every data set.

  Args:
    config: what all trainings share.
    datasets: as `values.images_of` reads them; none: that of `config`.
    models: keys of MODELS; none: that of `config`, in the papers' setting both backbones.
  """
  begun = time.monotonic()
  rows: list[ClassifierRow] = []
  lines: list[Line] = []
  warnings, timing = [], {}
  store = Store(config.artefacts or pathlib.Path(config.out) / "artefacts")
  colors = itertools.cycle(PALETTE)
  models = models or backbones(config) or (config.model,)
  for entry, model in itertools.product(datasets or (config.dataset,), models):
    started = time.monotonic()
    messages: list[str] = []
    row, curve = _row(store, _one(config, entry, model), messages.append)
    rows.append(row)
    if curve:
      lines.append(Line(_label(row), *curve, next(colors)))
    timing[f"{row.dataset} {row.model}"] = round(time.monotonic() - started, 1)
    warnings += [f"{_label(row)}: {warning}" for warning in messages]
  sources = {row.source for row in rows}
  if len(sources) > 1 and "synthetic" in sources:
    drawn = dict.fromkeys(row.dataset for row in rows if row.source == "synthetic")
    warnings.append(f"Synthetic, drawn by a program: {', '.join(drawn)}.")
  summary = {
    "timing": {**timing, "total": round(time.monotonic() - begun, 1)},
    "data": {
      "name": ", ".join(dict.fromkeys(row.dataset for row in rows)),
      "source": sources.pop() if len(sources) == 1 else "mixed",
      "image_size": config.image_size,
    },
    "papers_setting": deviations(config.resolved()),
    "warnings": warnings,
  }
  figure = LineChart(
    "roc_classifiers", "ROC curves of the classifiers", lines=lines, y_range=(0, 1.01),
    caption="On Test; the first class counts as healthy.",
    x_label="1 − specificity (share of healthy images called ill)",
    y_label="sensitivity (share of ill images found)",
  )  # fmt: skip
  return Result(
    name="classifiers", config=config.resolved(), rows=rows, summary=summary,
    title="The attacked classifiers", lead=[tables.means(rows, _label, "AUC on Test", "auc")],
    tables=[_table(rows)], figures=[figure] if lines else [], notes=_NOTES,
  )  # fmt: skip


def _one(config: Config, entry: str, model: str | None) -> Config:
  """Of one data set and backbone."""
  name, side, folder = values.images_of(entry)
  same = name == config.dataset
  apart = {} if same else dict.fromkeys(("split", "model_path", "crop", "data_dir", *OPTIONS))
  fields: dict[str, Any] = {"dataset": name, "model": model, **apart}
  fields["image_size"] = side or config.image_size
  fields |= {"data_dir": folder} if folder else {}
  return dataclasses.replace(config, **fields).resolved()


def _row(
  store: Store, config: Config, warn: Callable[[str], None]
) -> tuple[ClassifierRow, tuple[Array, Array] | None]:
  """The row, and with two classes the false and true positive rates of the ROC curve."""
  sources = load_sources(store, config, warn)
  victim = load_victim(store, config, warn, sources)
  taps, _ = stages.clean_taps(store, sources, victim, sources.split.test)
  figures, right = training.evaluate(taps.logits, taps.labels), taps.predictions == taps.labels
  recalls = [float(right[taps.labels == label].mean()) for label in np.unique(taps.labels)]
  interval, curve = None, None
  if taps.logits.shape[1] == 2 and taps.groups is not None:
    score, ill = taps.logits[:, 1] - taps.logits[:, 0], taps.labels == 1
    curve = roc_curve(score[~ill], score[ill])[:2]
    interval = bootstrap_auc(score[~ill], score[ill], taps.groups[~ill], taps.groups[ill])
  name = pathlib.Path(config.model_path).name if config.model_path else str(config.model)
  low, high = interval or (None, None)
  return ClassifierRow(
    dataset=config.dataset, source=sources.dataset.source, model=name,
    image_size=config.image_size, train=len(sources.split.train), test=len(taps),
    accuracy=figures["accuracy"], accuracy_paper=papers.ACCURACY.get((config.dataset, name)),
    balanced_accuracy=figures["balanced_accuracy"], lowest_recall=min(recalls), auc=figures["auc"],
    auc_low=low, auc_high=high, auc_paper=papers.AUC.get((config.dataset, name)),
  ), curve  # fmt: skip


def _label(row: ClassifierRow) -> str:
  """ "chest X-rays, ResNet-50"."""
  return f"{dataset_label(row.dataset)}, {model_label(row.model)}"


def _table(rows: Sequence[ClassifierRow]) -> Table:
  """Ours, and below each data set the papers'."""
  made = tables.table("Classifiers on Test, percent. The papers’ are from real images.", rows, {
    "Images": lambda row: dataset_label(row.dataset),
    "Classifier": lambda row: model_label(row.model),
    "Side (px)": "image_size", "Train": "train", "Test": "test", "Accuracy": "accuracy",
    "Balanced accuracy": "balanced_accuracy", "Lowest recall": "lowest_recall",
    "AUC [95 % interval]": tables.interval("auc"),
  })  # fmt: skip
  body: list[Sequence[str]] = []
  for dataset in dict.fromkeys(row.dataset for row in rows):
    body += [line for line, row in zip(made.rows, rows, strict=True) if row.dataset == dataset]
    body += [
      [f"{dataset_label(dataset)} (papers)", model_label(model),
       _PAPERS_SIDES.get(dataset, "256"), "–", "–",
       percent(papers.ACCURACY.get((dataset, model))), "–", "–",
       percent(papers.AUC.get((dataset, model)))]
      for images, model in {**papers.AUC, **papers.ACCURACY} if images == dataset
    ]  # fmt: skip
  return dataclasses.replace(made, rows=body)
