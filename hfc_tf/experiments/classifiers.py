"""The attacked classifiers: every data set with every backbone, beside what the papers quote.

MICCAI section 5.1 gives the AUCs, TMI section V.A the Test images that the classifier gets wrong.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from hfc_tf.evaluation.metrics import bootstrap_auc
from hfc_tf.models import training
from hfc_tf.report.charts import PALETTE, Line, line_chart
from hfc_tf.report.curves import roc_curve
from hfc_tf.report.experiment import Table, described, write_experiment
from hfc_tf.report.rows import percent
from hfc_tf.report.words import DATASETS, model_label
from hfc_tf.study import setting, stages
from hfc_tf.study.config import Config
from hfc_tf.study.store import Store

_AUC = {
  ("fundus", "resnet50"): 0.995,
  ("fundus", "vgg16"): 0.993,
  ("chest", "resnet50"): 0.970,
  ("chest", "vgg16"): 0.965,
}
_ACCURACY = {  # 1 - dropped / a fifth of all images, in TMI's text
  ("fundus", "resnet50"): 1 - 7 / 733,
  ("chest", "resnet50"): 1 - 101 / 1173,
  ("brain", "resnet18_3d"): 1 - 50 / 297,
}
_NOTES = (
  "Classifiers learn on Train from random weights unless --weights says otherwise, the papers' "
  "from ImageNet's; a tenth of Train chooses the epoch. All figures are of Test.",
  "The papers' accuracy follows from the number of Test images that TMI drops as misclassified "
  "(7 of 733 fundus, 101 of 1,173 chest, 50 of 297 brain).",
)


@dataclasses.dataclass(frozen=True)
class ClassifierRow:
  """One classifier on Test; rates are fractions, None where there is none to tell.

  `lowest_recall` is that of the class which is recognised least; `auc_low` and `auc_high` bound
  the AUC's 95 % interval, resampled by patient (two classes).
  """

  dataset: str
  source: str
  model: str
  image_size: int
  train: int
  test: int
  accuracy: float
  accuracy_paper: float | None
  lowest_recall: float
  auc: float | None
  auc_low: float | None
  auc_high: float | None
  auc_paper: float | None


def run(config: Config, datasets: Sequence[str] = (), models: Sequence[str] = ()) -> dict[str, Any]:
  """Trains every backbone on every data set and writes the report into config.out.

  Args:
    config: what all trainings share.
    datasets: names, or "name=folder"; none: that of `config`. Another data set than that of
      `config` keeps its split in OUT/name.
    models: keys of MODELS; none: that of `config`.

  Returns:
    What results.json holds.
  """
  begun = time.monotonic()
  rows: list[ClassifierRow] = []
  lines: list[Line] = []
  warnings, timing = [], {}
  store = Store(config.artefacts or pathlib.Path(config.out) / "artefacts")
  for entry in datasets or (config.dataset,):
    for model in models or (config.model,):
      made = time.monotonic()
      found: list[str] = []
      row, curve = _row(store, _one(config, entry, model), found.append)
      rows.append(row)
      label = f"{DATASETS.get(row.dataset, row.dataset)}, {model_label(row.model)}"
      if curve is not None:
        lines.append(Line(label, *curve, PALETTE[len(lines) % len(PALETTE)]))
      timing[f"{row.dataset} {row.model}"] = round(time.monotonic() - made, 1)
      warnings += [f"{label}: {warning}" for warning in found]
  sources = {row.source for row in rows}
  if len(sources) > 1 and "synthetic" in sources:
    drawn = dict.fromkeys(row.dataset for row in rows if row.source == "synthetic")
    warnings.append(f"Synthetic, drawn by a program: {', '.join(drawn)}.")
  names = ", ".join(dict.fromkeys(row.dataset for row in rows))
  source = sources.pop() if len(sources) == 1 else "mixed"
  results = {
    **described("classifiers", config.resolved()),
    "timing": {**timing, "total": round(time.monotonic() - begun, 1)},
    "data": {"name": names, "source": source, "image_size": config.image_size},
    "warnings": warnings,
  }
  chart = line_chart(
    "roc_classifiers",
    "ROC curves of the classifiers",
    lines,
    x_label="1 − specificity (share of healthy images called ill)",
    y_label="sensitivity (share of ill images found)",
    y_range=(0, 1.01),
    alt="; ".join(_sentences(rows)),
    caption="On Test; the first class counts as healthy.",
  ) if lines else None  # fmt: skip
  return write_experiment(
    config.out,
    results,
    rows,
    title="The attacked classifiers",
    lead=list(_sentences(rows)),
    tables=[_table(rows)],
    figures=[chart] if chart else [],
    notes=_NOTES,
  )


def _one(config: Config, entry: str, model: str | None) -> Config:
  """Of one data set and backbone."""
  name, _, folder = entry.partition("=")
  own = name == config.dataset
  changed = dataclasses.replace(
    config,
    dataset=name,
    data_dir=folder or (config.data_dir if own else None),
    split=config.split if own else None,
    model=model,
    out=config.out if own else f"{config.out}/{name}",
  )
  return changed.resolved()


def _row(
  store: Store, config: Config, warn: Callable[[str], None]
) -> tuple[ClassifierRow, tuple[Any, Any] | None]:
  """The row, and with two classes the ROC curve."""
  sources = setting.sources(store, config, None, warn)
  subject = setting.subject(store, config, sources, warn)
  taps, _ = stages.clean_taps(store, sources, subject, sources.split.test, 64)
  right = taps.predictions == taps.labels
  recalls = [float(right[taps.labels == label].mean()) for label in np.unique(taps.labels)]
  interval, curve = None, None
  if taps.logits.shape[1] == 2 and taps.groups is not None:
    score, ill = taps.logits[:, 1] - taps.logits[:, 0], taps.labels == 1
    curve = roc_curve(score[~ill], score[ill])[:2]
    interval = bootstrap_auc(score[~ill], score[ill], taps.groups[~ill], taps.groups[ill])
  name = pathlib.Path(config.model_path).name if config.model_path else str(config.model)
  low, high = interval or (None, None)
  row = ClassifierRow(
    dataset=config.dataset,
    source=sources.dataset.source,
    model=name,
    image_size=config.image_size,
    train=len(sources.split.train),
    test=len(taps),
    accuracy=float(right.mean()),
    accuracy_paper=_ACCURACY.get((config.dataset, name)),
    lowest_recall=min(recalls),
    auc=training.evaluate(taps.logits, taps.labels)["auc"],
    auc_low=low,
    auc_high=high,
    auc_paper=_AUC.get((config.dataset, name)),
  )
  return row, curve


def _table(rows: Sequence[ClassifierRow]) -> Table:
  head = ("Images", "Classifier", "Side (px)", "Train", "Test", "Accuracy", "Lowest recall", "AUC",
          "95 % interval")  # fmt: skip
  body = []
  for dataset in dict.fromkeys(row.dataset for row in rows):
    name = DATASETS.get(dataset, dataset)
    body += [
      (
        name, model_label(row.model), f"{row.image_size}", f"{row.train}", f"{row.test}",
        percent(row.accuracy), percent(row.lowest_recall), percent(row.auc),
        "–" if row.auc_low is None else f"{percent(row.auc_low)}–{percent(row.auc_high)}",
      )
      for row in rows
      if row.dataset == dataset
    ]  # fmt: skip
    body += [
      (f"{name} (papers)", model_label(model), "256", "–", "–",
       percent(_ACCURACY.get((dataset, model))), "–", percent(area), "–")
      for (images, model), area in _AUC.items()
      if images == dataset
    ]  # fmt: skip
  return Table("Classifiers on Test, percent. The papers’ are from real images.", head, body)


def _sentences(rows: Sequence[ClassifierRow]) -> Iterator[str]:
  for row in rows:
    theirs = [
      f"{model_label(model)} {percent(area, unit=True)}"
      for (images, model), area in _AUC.items()
      if images == row.dataset
    ]
    yield (
      f"On {DATASETS.get(row.dataset, row.dataset)}, {model_label(row.model)} reaches an AUC of "
      f"{percent(row.auc, unit=True)} and an accuracy of {percent(row.accuracy, unit=True)}"
      + (f" (AUCs of the papers: {', '.join(theirs)})." if theirs else ".")
    )
