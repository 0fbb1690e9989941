"""The files of the main experiment: results, table, figures, page, and what other pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hfc_tf.report.arms import detector_table, weight_words
from hfc_tf.report.curves import roc_curves, score_histograms
from hfc_tf.report.experiment import Section, section_file, study_results
from hfc_tf.report.figures import Figure, at_one_target, example_images, feature_map
from hfc_tf.report.page import command, report_files
from hfc_tf.report.results import completed, write_run
from hfc_tf.report.rows import Rows
from hfc_tf.report.verdict import verdict
from hfc_tf.report.words import attack_label

if TYPE_CHECKING:
  from hfc_tf.evaluation.protocol import DetectionRow
  from hfc_tf.experiments.detection import Case
  from hfc_tf.study.study import Study

_NOTES = (
  "Detectors learn on AdvTrain from clean, noisy and attacked images, the attack being the one "
  "without HFC; thresholds, scalers and every choice are made there, none on AdvTest.",
  "Both sides of a comparison take the same number of steps of the same size in the same budget.",
  "Within class: adversarials predicted c against clean images predicted c, averaged over c. The "
  "pooled AUC, which the papers report, also rewards a detector for reading the predicted class.",
  "'auto' is the largest weight on the HFC term that keeps Adv. Acc at 95 % or more on AdvTrain.",
)


def write(study: Study, cases: Mapping[str, Case], begun: float) -> dict[str, Any]:
  """Writes results.json, results.csv, config.json, figures/, section.json and report.html.

  Returns:
    What results.json holds.
  """
  rows = [row for case in cases.values() for row in case.rows()]
  complete = completed(study_results("detection", study, begun), rows)
  figures = [figure for name, case in cases.items() for figure in _figures(study, name, case)]
  files = report_files(complete, figures, _NOTES) | section_file(section(complete, rows, figures))
  write_run(study.config.out, complete, files | study.split_file)
  return complete


def section(
  results: Mapping[str, Any], rows: Sequence[DetectionRow], figures: Sequence[Figure]
) -> Section:
  """The experiment in short, for a page with several."""
  table = detector_table(
    "AUC within class (pooled in brackets), percent.",
    [row for row in rows if row.population == "successful"],
    {"Attack": lambda row: attack_label(row.attack), "HFC": weight_words},
  )
  attacks = ", ".join(dict.fromkeys(attack_label(row.attack) for row in rows))
  note = "Intervals and the papers' figures are on this experiment's own page."
  return Section(
    f"detectors against {attacks}", verdict(Rows(results["rows"])), [table], figures,
    [note, *_NOTES], command(results),
  )  # fmt: skip


def _figures(study: Study, name: str, case: Case) -> list[Figure]:
  """Examples, histograms, ROC curves and a t-SNE map of one attack."""
  plain = case.arms[0]
  shown = "auto" if "auto" in case.images else next(reversed(case.images))
  last = case.labelled()[shown]
  drawn = {"attack": ("attack", plain)} | ({} if last is plain else {"hfc": (shown, last)})
  scores = {
    detector: {"clean": found["clean"]}
    | {group: found[label][arm.success] for group, (label, arm) in drawn.items()}
    for detector, found in case.scores.items()
  }
  arms = {group: arm for group, (_, arm) in drawn.items()}
  predicted = {"clean": case.clean.predictions}
  predicted |= {group: arm.taps.predictions[arm.success] for group, arm in arms.items()}
  layer = case.clean.penultimate
  features = {g: taps.features[layer] for g, taps in at_one_target(case.clean, arms)[1].items()}
  some = np.flatnonzero(plain.success & last.success)
  some = some[np.linspace(0, len(some) - 1, min(3, len(some))).astype(int)]
  classes = study.sources.dataset.class_names
  labels = [f"{classes[a]} to {classes[b]}" for a, b in
            zip(case.clean.labels[some], plain.targets[some], strict=True)]  # fmt: skip
  figures = [
    score_histograms(scores, case.thresholds, attack=name),
    roc_curves(scores, predicted=predicted, attack=name),
    feature_map(features, seed=study.config.seed, attack=name, layer=layer),
  ]
  if len(some):
    hidden = None if last is plain else case.images[shown][some]
    clean, attacked = study.images("adv_test", some), case.images["attack"][some]
    figures.insert(
      0,
      example_images(clean, attacked, hidden, eps_256=plain.eps_256, attack=name, labels=labels),
    )
  return figures
