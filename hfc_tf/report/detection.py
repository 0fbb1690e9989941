"""The files of the main experiment: results, table, figures, page."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hfc_tf.report.curves import roc_curves, score_histograms
from hfc_tf.report.figures import Figure, example_images, feature_map
from hfc_tf.report.page import write_report
from hfc_tf.report.results import environment, write_results

if TYPE_CHECKING:
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


def write(
  study: Study, cases: Mapping[str, Case], rows: list[dict[str, Any]], seconds: float
) -> dict[str, Any]:
  """Writes results.json, results.csv, config.json, figures/ and report.html.

  Returns:
    What results.json holds.
  """
  config = study.config
  results = {
    "schema": {"name": "detection", "version": 1},
    "command": sys.argv if sys.argv[0].endswith("run_attack") else None,
    "config": dataclasses.asdict(config),
    "environment": environment(),
    **study.results(seconds),
  }
  complete = write_results(config.out, results, rows)
  figures = [figure for name, case in cases.items() for figure in _figures(study, name, case)]
  write_report(config.out, complete, figures=figures, notes=_NOTES)
  return complete


def _figures(study: Study, name: str, case: Case) -> list[Figure]:
  """Examples, histograms, ROC curves and a t-SNE map of one attack."""
  plain = case.arms[0]
  shown = "auto" if "auto" in case.images else next(reversed(case.images))
  arms = {arm.weight_rule or "attack": arm for arm in case.arms}
  last = arms[shown]
  names = {"clean": "clean", "attack": "attack"} | ({shown: "hfc"} if shown != "attack" else {})
  masks = {"clean": np.ones(len(case.clean), bool)}
  masks |= {rule: arm.success for rule, arm in arms.items()}
  scores = {
    detector: {names[key]: found[key][masks[key]] for key in names}
    for detector, found in case.scores.items()
  }
  predicted = {"clean": case.clean.predictions}
  predicted |= {names[k]: a.taps.predictions[a.success] for k, a in arms.items() if k in names}
  layer = case.clean.penultimate
  # The picture follows the class that most attacks aim at.
  target = int(np.bincount(plain.targets).argmax())
  features = {
    "clean_original": case.clean.features[layer][case.clean.labels != target],
    "clean_target": case.clean.features[layer][case.clean.labels == target],
    "attack": plain.taps.features[layer][plain.success & (plain.targets == target)],
  }
  if last is not plain:
    features["hfc"] = last.taps.features[layer][last.success & (last.targets == target)]
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
    clean, attacked = study.example_images(some), case.images["attack"][some]
    figures.insert(
      0,
      example_images(clean, attacked, hidden, eps_256=plain.eps_256, attack=name, labels=labels),
    )
  return figures
