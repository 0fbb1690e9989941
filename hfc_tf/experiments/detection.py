"""The main experiment: do detectors that see an attack still see it under HFC?

MICCAI Table 2 and TMI Table I: every detector learns from the attack without HFC on AdvTrain and
is asked about AdvTest, attacked without and with HFC in the same number of steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hfc_tf.experiments.common import study_result
from hfc_tf.experiments.measures import at_one_target
from hfc_tf.results import tables
from hfc_tf.results.detection import DetectionRow
from hfc_tf.results.figures import (
  MARKERS,
  PALETTE,
  ExampleImages,
  FeatureMap,
  Line,
  LineChart,
  ROCCurves,
  ScoreHistograms,
)
from hfc_tf.results.labels import attack_label, budget, detector_label, percent
from hfc_tf.results.result import Result, Table
from hfc_tf.results.verdict import rule_label, verdict
from hfc_tf.study import comparison
from hfc_tf.study.comparison import Comparison
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

_POPULATIONS = {
  "successful": "All adversarials that reach their target",
  "both_arms": "Only images that the attack moves without HFC and at every weight on it",
}
_NOTES = (
  "Detectors learn on AdvTrain from clean, noisy and attacked images, the attack being the one "
  "without HFC; thresholds, scalers and every choice are made there, none on AdvTest.",
  "Both sides of a comparison take the same number of steps of the same size in the same budget.",
  "Within class: adversarials predicted c against clean images predicted c, averaged over c. The "
  "pooled AUC, which the papers report, also rewards a detector for reading the predicted class.",
  "Two-sided: the larger of the AUC within class and 100 minus it: a score far below that of clean "
  "images gives an attack away as surely as one far above.",
  "TPR@90: the share of attacked images flagged, at the threshold that passes 90 % of AdvTrain's "
  "clean images. Adv. Acc: the share of AdvTest images whose attack reaches its target class.",
  "'auto' is the largest weight on the HFC term that keeps Adv. Acc at 95 % or more on AdvTrain.",
)


def run(config: Config) -> Result:
  """Runs the study.

  Raises:
    InputError: for whatever in flags, data or model cannot be used.
  """
  begun = time.monotonic()
  study = Study(config.resolved())
  by_attack: dict[str, Comparison] = {}
  start = 1.0
  for attack in study.config.attacks:
    by_attack[attack] = comparison.compare(study, attack, start=start)
    start = by_attack[attack].auto_weight or start
  rows = [row for compared in by_attack.values() for row in compared.rows()]
  successful = [row for row in rows if row.population == "successful"]
  figures = [figure for name, each in by_attack.items() for figure in _figures(study, name, each)]
  return study_result(
    "detection", study, begun, rows,
    title=f"Detectors against {', '.join(map(attack_label, by_attack))}", findings=verdict(rows),
    tables=[
      tables.detector_table(
        "AUC within class (pooled in brackets), percent.", successful,
        {"Attack": lambda row: attack_label(row.attack), "HFC": tables.weight_label},
      ),
      _success_table(successful), *_detail_tables(rows),
      *tables.beside_the_papers(successful, study.config.dataset),
    ],
    figures=[*_overview(successful), *figures], notes=_NOTES,
  )  # fmt: skip


def _interval(row: DetectionRow, field: str) -> str:
  low, high = getattr(row, f"{field}_low"), getattr(row, f"{field}_high")
  bounds = "" if low is None or high is None else f" [{percent(low, 0)}–{percent(high, 0)}]"
  return percent(getattr(row, field)) + bounds


def _success_table(rows: Sequence[DetectionRow]) -> Table:
  body = [
    [attack_label(row.attack), budget(row.eps_256), str(row.steps), tables.weight_label(row),
     _interval(row, "adv_acc"), percent(row.adv_acc_8bit), str(row.n_adversarial)]
    for (row, *_) in tables.grouped(rows, "attack", "eps_256", "weight_rule").values()
  ]  # fmt: skip
  head = ["Attack", "Budget", "Steps", "HFC", "Adv. Acc", "rounded to 8 bits", "Adversarials"]
  caption = "Success of the attacks on AdvTest, percent, 95 % intervals in brackets."
  return Table(caption, head, body)


def _detail_tables(rows: Sequence[DetectionRow]) -> Iterator[Table]:
  head = ["Detector", "Attack", "HFC", "AUC within class", "two-sided", "AUC pooled", "TPR@90",
          "Adversarials", "Clean"]  # fmt: skip
  for (population,), group in tables.grouped(rows, "population").items():
    body = [
      [detector_label(row.detector), attack_label(row.attack), tables.weight_label(row),
       _interval(row, "auc_within_class"), percent(row.auc_within_class_two_sided),
       _interval(row, "auc"), percent(row.tpr_at_90_tnr), str(row.n_adversarial),
       str(row.n_clean)]
      for row in group
    ]  # fmt: skip
    scored = _POPULATIONS.get(population, population)
    caption = f"{scored}, against clean AdvTest images; percent, 95 % intervals in brackets."
    yield Table(caption, head, body)


def _overview(rows: Sequence[DetectionRow]) -> Iterator[LineChart]:
  """Each detector's AUC within class without and with HFC, with its interval."""
  places = {name: place for place, name in enumerate(dict.fromkeys(r.detector for r in rows))}
  for (attack, eps), group in tables.grouped(rows, "attack", "eps_256").items():
    lines = []
    by_rule = tables.grouped(group, "weight_rule")
    for place, ((rule,), each) in enumerate(by_rule.items()):
      scored = [row for row in each if row.auc_within_class is not None]
      lines.append(Line(
        "without HFC" if rule is None else f"with {rule_label(rule, each)}",
        [places[r.detector] + 0.16 * (place - (len(by_rule) - 1) / 2) for r in scored],
        [100 * (r.auc_within_class or 0) for r in scored], PALETTE[(1, 2, 0, 3)[place % 4]],
        "", MARKERS[place % len(MARKERS)], *(_ends(scored, end) for end in ("low", "high")),
      ))  # fmt: skip
    yield LineChart(
      f"areas_{attack}", f"AUC within class, {attack_label(attack)}, {budget(eps)}", lines=lines,
      x_label="detector", x_ticks={x: detector_label(name) for name, x in places.items()},
      y_label="AUC within class (%)", y_range=(-2, 102), level=50,
      alt="; ".join(f"{detector_label(r.detector)} {tables.with_hfc(r.weight_rule)}: "
                    f"{percent(r.auc_within_class, 0)} %" for r in group),
      caption="Bars are 95 % intervals; 50 % is guessing.",
    )  # fmt: skip


def _ends(rows: Sequence[DetectionRow], end: str) -> list[float]:
  """Low or high ends of the intervals in percent, NaN where there is none."""
  values = (getattr(row, f"auc_within_class_{end}") for row in rows)
  return [float("nan") if value is None else 100 * value for value in values]


def _figures(study: Study, name: str, compared: Comparison) -> list[Any]:
  """Examples, histograms, ROC curves and a t-SNE map of one attack."""
  plain = next(iter(compared.results.values()))
  shown = "auto" if "auto" in compared.results else next(reversed(compared.results))
  last = compared.results[shown]
  groups = {"attack": ("attack", plain)} | ({} if last is plain else {"hfc": (shown, last)})
  scores = {
    detector: {"clean": by_label["clean"]}
    | {group: by_label[label][attack.success] for group, (label, attack) in groups.items()}
    for detector, by_label in compared.scores.items()
  }
  attacks = {group: attack for group, (_, attack) in groups.items()}
  predicted = {"clean": compared.clean.predictions}
  predicted |= {group: x.taps.predictions[x.success] for group, x in attacks.items()}
  layer = compared.clean.penultimate
  groups_taps = at_one_target(compared.clean, attacks)[1]
  features = {group: taps.features[layer] for group, taps in groups_taps.items()}
  some = np.flatnonzero(plain.success & last.success)
  some = some[np.linspace(0, len(some) - 1, min(3, len(some))).astype(int)]
  classes = study.sources.dataset.class_names
  labels = [f"{classes[a]} to {classes[b]}" for a, b in
            zip(compared.clean.labels[some], plain.targets[some], strict=True)]  # fmt: skip
  examples = [ExampleImages(
    clean=study.images("adv_test", some), attacked=compared.results["attack"].images[some],
    hidden=None if last is plain else compared.results[shown].images[some], eps_256=plain.eps_256,
    attack=name, labels=labels,
  )] if len(some) else []  # fmt: skip
  return [
    *examples,
    ScoreHistograms(scores, compared.thresholds, name),
    ROCCurves(scores, predicted, name),
    FeatureMap(features, seed=study.config.seed, attack=name, layer=layer),
  ]
