"""The attacked classifiers: every data set with every backbone, beside what the papers quote.

MICCAI section 5.1 gives the AUCs, TMI section V.A the Test images that the classifier gets wrong.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hfc_tf.evaluation.metrics import bootstrap_auc
from hfc_tf.models import training
from hfc_tf.report import classifiers as page
from hfc_tf.report.curves import roc_curve
from hfc_tf.report.experiment import described, write_experiment
from hfc_tf.storage.store import Store
from hfc_tf.study import setting, stages
from hfc_tf.study.config import Config


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
  balanced_accuracy: float
  lowest_recall: float
  auc: float | None
  auc_low: float | None
  auc_high: float | None
  auc_paper: float | None


def run(config: Config, datasets: Sequence[str] = (), models: Sequence[str] = ()) -> dict[str, Any]:
  """Trains every backbone on every data set and writes the report into config.out.

  Args:
    config: what all trainings share.
    datasets: names, or "name=folder"; none: that of `config`.
    models: keys of MODELS; none: that of `config`.

  Returns:
    What results.json holds.
  """
  begun = time.monotonic()
  rows: list[ClassifierRow] = []
  curves: dict[str, page.Curve] = {}
  warnings, timing = [], {}
  store = Store(config.artefacts or pathlib.Path(config.out) / "artefacts")
  for entry in datasets or (config.dataset,):
    for model in models or (config.model,):
      made = time.monotonic()
      found: list[str] = []
      row, curve = _row(store, _one(config, entry, model), found.append)
      rows.append(row)
      curves |= {page.label(row): curve} if curve else {}
      timing[f"{row.dataset} {row.model}"] = round(time.monotonic() - made, 1)
      warnings += [f"{page.label(row)}: {warning}" for warning in found]
  sources = {row.source for row in rows}
  if len(sources) > 1 and "synthetic" in sources:
    drawn = dict.fromkeys(row.dataset for row in rows if row.source == "synthetic")
    warnings.append(f"Synthetic, drawn by a program: {', '.join(drawn)}.")
  results = described("classifiers", config.resolved()) | {
    "timing": {**timing, "total": round(time.monotonic() - begun, 1)},
    "data": {
      "name": ", ".join(dict.fromkeys(row.dataset for row in rows)),
      "source": sources.pop() if len(sources) == 1 else "mixed",
      "image_size": config.image_size,
    },
    "warnings": warnings,
  }
  return write_experiment(config.out, results, rows, **vars(page.section(rows, curves)))


def _one(config: Config, entry: str, model: str | None) -> Config:
  """Of one data set and backbone."""
  name, _, folder = entry.partition("=")
  own = name == config.dataset
  return dataclasses.replace(
    config, dataset=name, model=model, data_dir=folder or (config.data_dir if own else None),
    split=config.split if own else None,
  ).resolved()  # fmt: skip


def _row(
  store: Store, config: Config, warn: Callable[[str], None]
) -> tuple[ClassifierRow, page.Curve | None]:
  """The row, and with two classes the ROC curve."""
  sources = setting.sources(store, config, None, warn)
  subject = setting.subject(store, config, sources, warn)
  taps, _ = stages.clean_taps(store, sources, subject, sources.split.test, 64)
  found, right = training.evaluate(taps.logits, taps.labels), taps.predictions == taps.labels
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
    accuracy=found["accuracy"], accuracy_paper=page.ACCURACY.get((config.dataset, name)),
    balanced_accuracy=found["balanced_accuracy"], lowest_recall=min(recalls), auc=found["auc"],
    auc_low=low, auc_high=high, auc_paper=page.AUC.get((config.dataset, name)),
  ), curve  # fmt: skip
