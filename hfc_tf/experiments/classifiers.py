"""The attacked classifiers: every data set with every backbone, beside what the papers quote.

MICCAI section 5.1 gives the AUCs, TMI section V.A the Test images that the classifier gets wrong.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from hfc_tf.evaluation.curves import roc_curve
from hfc_tf.evaluation.metrics import bootstrap_auc
from hfc_tf.models import training
from hfc_tf.results import papers, tables
from hfc_tf.results.classification import ClassifierRow
from hfc_tf.results.figures import PALETTE, Array, Line, LineChart
from hfc_tf.results.labels import DATASETS, model_label, percent
from hfc_tf.results.result import Result, Table
from hfc_tf.storage.store import Store
from hfc_tf.study import stages
from hfc_tf.study.config import Config
from hfc_tf.study.sources import load_sources
from hfc_tf.study.victim import load_victim

Curve = tuple[Array, Array]  # false and true positive rates
_NOTES = (
  "Classifiers learn on Train from random weights unless --weights says otherwise, the papers' "
  "from ImageNet's; a tenth of Train chooses the epoch. All figures are of Test.",
  "The papers' accuracy follows from the number of Test images that TMI drops as misclassified "
  "(7 of 733 fundus, 101 of 1,173 chest, 50 of 297 brain).",
)


def run(config: Config, datasets: Sequence[str] = (), models: Sequence[str] = ()) -> Result:
  """Trains every backbone on every data set.

  Args:
    config: what all trainings share.
    datasets: names, or "name=folder"; none: that of `config`.
    models: keys of MODELS; none: that of `config`.
  """
  begun = time.monotonic()
  rows: list[ClassifierRow] = []
  curves: dict[str, Curve] = {}
  warnings, timing = [], {}
  store = Store(config.artefacts or pathlib.Path(config.out) / "artefacts")
  for entry in datasets or (config.dataset,):
    for model in models or (config.model,):
      made = time.monotonic()
      messages: list[str] = []
      row, curve = _row(store, _one(config, entry, model), messages.append)
      rows.append(row)
      curves |= {_label(row): curve} if curve else {}
      timing[f"{row.dataset} {row.model}"] = round(time.monotonic() - made, 1)
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
    "warnings": warnings,
  }
  return Result(
    name="classifiers", config=config.resolved(), rows=rows, summary=summary,
    title="The attacked classifiers", findings=list(_findings(rows)), tables=[_table(rows)],
    figures=_figures(rows, curves), notes=_NOTES,
  )  # fmt: skip


def _one(config: Config, entry: str, model: str | None) -> Config:
  """Of one data set and backbone."""
  name, _, folder = entry.partition("=")
  same = name == config.dataset
  return dataclasses.replace(
    config, dataset=name, model=model, data_dir=folder or (config.data_dir if same else None),
    split=config.split if same else None,
  ).resolved()  # fmt: skip


def _row(
  store: Store, config: Config, warn: Callable[[str], None]
) -> tuple[ClassifierRow, Curve | None]:
  """The row, and with two classes the ROC curve."""
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


def _figures(rows: Sequence[ClassifierRow], curves: Mapping[str, Curve]) -> list[LineChart]:
  lines = [
    Line(name, *curve, color)
    for (name, curve), color in zip(curves.items(), itertools.cycle(PALETTE), strict=False)
  ]
  return [LineChart(
    "roc_classifiers", "ROC curves of the classifiers", "; ".join(_findings(rows)),
    "On Test; the first class counts as healthy.", lines=lines, y_range=(0, 1.01),
    x_label="1 − specificity (share of healthy images called ill)",
    y_label="sensitivity (share of ill images found)",
  )] if lines else []  # fmt: skip


def _label(row: ClassifierRow) -> str:
  """ "chest X-rays, ResNet-50"."""
  return f"{_images(row.dataset)}, {model_label(row.model)}"


def _images(dataset: str) -> str:
  return DATASETS.get(dataset, dataset)


def _table(rows: Sequence[ClassifierRow]) -> Table:
  head = ("Images", "Classifier", "Side (px)", "Train", "Test", "Accuracy", "Balanced accuracy",
          "Lowest recall", "AUC", "95 % interval")  # fmt: skip
  body = []
  for (dataset,), group in tables.grouped(rows, "dataset").items():
    body += [
      (
        _images(dataset), model_label(row.model), f"{row.image_size}", f"{row.train}",
        f"{row.test}", percent(row.accuracy), percent(row.balanced_accuracy),
        percent(row.lowest_recall), percent(row.auc),
        "–" if row.auc_low is None else f"{percent(row.auc_low)}–{percent(row.auc_high)}",
      )
      for row in group
    ]  # fmt: skip
    body += [
      (f"{_images(dataset)} (papers)", model_label(model), "256", "–", "–",
       percent(papers.ACCURACY.get((dataset, model))), "–", "–", percent(area), "–")
      for model, area in _published(dataset).items()
    ]  # fmt: skip
  return Table("Classifiers on Test, percent. The papers’ are from real images.", head, body)


def _published(dataset: str) -> dict[str, float]:
  """The papers' AUCs by backbone."""
  return {model: area for (images, model), area in papers.AUC.items() if images == dataset}


def _findings(rows: Sequence[ClassifierRow]) -> Iterator[str]:
  for row in rows:
    theirs = [
      f"{model_label(model)} {percent(area, unit=True)}"
      for model, area in _published(row.dataset).items()
    ]
    yield (
      f"On {_images(row.dataset)}, {model_label(row.model)} reaches an AUC of "
      f"{percent(row.auc, unit=True)} and an accuracy of {percent(row.accuracy, unit=True)}"
      + (f" (AUCs of the papers: {', '.join(theirs)})." if theirs else ".")
    )
