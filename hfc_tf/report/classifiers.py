"""The page on the attacked classifiers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hfc_tf.report.arms import grouped
from hfc_tf.report.charts import PALETTE, Line, line_chart
from hfc_tf.report.experiment import Section, Table
from hfc_tf.report.figures import Array
from hfc_tf.report.rows import percent
from hfc_tf.report.words import DATASETS, model_label

if TYPE_CHECKING:
  from hfc_tf.experiments.classifiers import ClassifierRow

Curve = tuple[Array, Array]  # false and true positive rates
AUC = {  # of the papers
  ("fundus", "resnet50"): 0.995,
  ("fundus", "vgg16"): 0.993,
  ("chest", "resnet50"): 0.970,
  ("chest", "vgg16"): 0.965,
}
ACCURACY = {  # 1 - dropped / a fifth of all images, in TMI's text
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


def section(rows: Sequence[ClassifierRow], curves: Mapping[str, Curve]) -> Section:
  """What the experiment's page shows, for classifiers and their ROC curves by label."""
  lines = [
    Line(name, *curve, color)
    for (name, curve), color in zip(curves.items(), itertools.cycle(PALETTE), strict=False)
  ]
  lead = list(_sentences(rows))
  figures = [line_chart(
    "roc_classifiers", "ROC curves of the classifiers", lines, y_range=(0, 1.01),
    x_label="1 − specificity (share of healthy images called ill)",
    y_label="sensitivity (share of ill images found)", alt="; ".join(lead),
    caption="On Test; the first class counts as healthy.",
  )] if lines else []  # fmt: skip
  return Section("The attacked classifiers", lead, [_table(rows)], figures, _NOTES)


def label(row: ClassifierRow) -> str:
  """ "chest X-rays, ResNet-50"."""
  return f"{_images(row.dataset)}, {model_label(row.model)}"


def _images(dataset: str) -> str:
  return DATASETS.get(dataset, dataset)


def _table(rows: Sequence[ClassifierRow]) -> Table:
  head = ("Images", "Classifier", "Side (px)", "Train", "Test", "Accuracy", "Balanced accuracy",
          "Lowest recall", "AUC", "95 % interval")  # fmt: skip
  body = []
  for (dataset,), own in grouped(rows, "dataset").items():
    body += [
      (
        _images(dataset), model_label(row.model), f"{row.image_size}", f"{row.train}",
        f"{row.test}", percent(row.accuracy), percent(row.balanced_accuracy),
        percent(row.lowest_recall), percent(row.auc),
        "–" if row.auc_low is None else f"{percent(row.auc_low)}–{percent(row.auc_high)}",
      )
      for row in own
    ]  # fmt: skip
    body += [
      (f"{_images(dataset)} (papers)", model_label(model), "256", "–", "–",
       percent(ACCURACY.get((dataset, model))), "–", "–", percent(area), "–")
      for model, area in _published(dataset).items()
    ]  # fmt: skip
  return Table("Classifiers on Test, percent. The papers’ are from real images.", head, body)


def _published(dataset: str) -> dict[str, float]:
  """The papers' AUCs by backbone."""
  return {model: area for (images, model), area in AUC.items() if images == dataset}


def _sentences(rows: Sequence[ClassifierRow]) -> Iterator[str]:
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
