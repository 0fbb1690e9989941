"""The main experiment: do detectors that see an attack still see it under HFC?

MICCAI Table 2 and TMI Table I: every detector learns from the attack without HFC on AdvTrain and
is asked about AdvTest, attacked without and with HFC in the same number of steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hfc_tf.experiments import pictures
from hfc_tf.experiments.common import choices, study_result
from hfc_tf.experiments.layers import best_layers, layer_label
from hfc_tf.experiments.measures import at_one_target
from hfc_tf.results import tables
from hfc_tf.results.beside import beside_the_papers
from hfc_tf.results.figures import Chart, Line, LineChart, look
from hfc_tf.results.labels import (
  attack_label,
  budget,
  detector_label,
  fraction,
  hfc_label,
  percent,
)  # fmt: skip
from hfc_tf.results.result import Result, Table
from hfc_tf.results.rows import DetectionRow, LayerRow
from hfc_tf.results.verdict import best, headline, rule_label, verdict
from hfc_tf.study import comparison
from hfc_tf.study.comparison import Comparison
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from hfc_tf.taps import Taps

_POPULATIONS = {
  "successful": "All adversarials that reach their target",
  "both_arms": "Only images that the attack moves without HFC and at every weight on it",
}
_ATTACK: dict[str, tables.Column] = {
  "Attack": lambda row: attack_label(row.attack), "HFC": tables.weight_label,
}  # fmt: skip
_NOTES = (
  "A detector sees an attack where the 95 % interval of its two-sided AUC within class lies above "
  "50 %; scores below those of clean images give an attack away as well as scores above.",
  "Within class: adversarials predicted c against clean images predicted c, averaged over c; the "
  "pooled AUC, which the papers report, also rewards a detector for reading the predicted class. "
  "Two-sided: the mean over c of the larger of class c's AUC and 100 minus it; its interval allows "
  "for what folding adds where there is nothing to see. No AUC is of fewer than 20 images a class.",
  "TPR@90: the share of attacked images flagged, at the threshold that passes 90 % of AdvTrain's "
  "clean images. Adv. Acc: the share of AdvTest images whose attack reaches its target class.",
)


def run(config: Config) -> Result:
  """Runs the study.

  Raises:
    InputError: for whatever in flags, data or model cannot be used.
  """
  study = Study(config.resolved())
  compared: dict[str, Comparison] = {}
  start = 1.0
  for attack in study.config.attacks:
    compared[attack] = comparison.compare(study, attack, start=start)
    start = compared[attack].auto_weight or start
  rows = [row for each in compared.values() for row in each.rows()]
  successful = [row for row in rows if row.population == "successful"]
  layers = [row for each in compared.values() for row in best_layers(study, each)]
  figures: list[Chart] = []
  for chart, (name, each) in zip(_overview(successful), compared.items(), strict=True):
    drawn = list(_figures(study, name, each))
    figures += [*(f for f in drawn if f.name.startswith("examples")), chart]
    figures += [f for f in drawn if not f.name.startswith("examples")]
  energies = _energies(study, compared) if study.config.hfc else {}
  return study_result(
    "detection", study, rows, {"energies": energies, "best_layers": layers},
    title=f"Detectors against {', '.join(map(attack_label, compared))}",
    lead=[" ".join(headline(successful)), *verdict(rows), *_layer_finding(layers)],
    cover=min(2, len(figures)),
    tables=[
      *_caught_tables(successful),
      tables.detector_table(
        "AUC within class / two-sided with its 95 % interval, percent.", successful, _ATTACK,
        fields=("auc_within_class", tables.TWO_SIDED), form="{} / {}",
      ),
      _success_table(successful), *_detail_tables(rows),
      *(_energy_table(name, each) for name, each in energies.items()),
      *beside_the_papers(successful, study.config.dataset),
    ],
    figures=figures, notes=[*_NOTES, *choices(study)],
  )  # fmt: skip


def _caught_tables(rows: Sequence[DetectionRow]) -> Iterator[Table]:
  """A line a detector, narrow enough for a phone: what it catches of each form of an attack."""
  for (attack, eps), group in tables.grouped(rows, "attack", "eps_256").items():
    forms = tables.grouped(group, "weight_rule")
    body = []
    for (detector,), each in tables.grouped(group, "detector").items():
      by_rule = {row.weight_rule: row for row in each}
      body.append([detector_label(detector), *(
        f"{percent(by_rule[rule].tpr_at_90_tnr, 0)} ({percent(by_rule[rule].evasion_rate, 0)})"
        for (rule,) in forms
      )])  # fmt: skip
    heads = ["without HFC" if rule is None else f"HFC, {rule}" for (rule,) in forms]
    yield Table(
      f"{attack_label(attack)}, {budget(eps)}: images caught at 10 % false alarms, and in brackets "
      "the evasion rate, percent.", ["Detector", *heads], body,
      "Evasion rate: the share of correctly classified AdvTest images that reach the target and "
      "stay below the threshold, which is fixed on clean AdvTrain images.",
    )  # fmt: skip


def _energies(
  study: Study, compared: Mapping[str, Comparison]
) -> dict[str, dict[str, dict[str, float]]]:
  """Median (f - mu)' S^-1 (f - mu) / C_l of a layer, by attack, then "clean" and label, then layer.

  Of clean AdvTest images under their class, and of adversarials under their target's.
  """

  widths = study.victim.model.widths

  def medians(taps: Taps, classes: Any) -> dict[str, float]:
    forms = study.hfc.energies(taps, classes)
    return {layer: float(np.median(forms[layer])) / widths[layer] for layer in forms}

  clean = study.clean["adv_test"]
  usual = medians(clean, clean.labels)
  return {
    name: {"clean": usual} | {
      label: medians(result.taps[result.success], result.targets[result.success])
      for label, result in each.results.items() if result.success.any()
    }
    for name, each in compared.items()
  }  # fmt: skip


def _energy_table(attack: str, energies: Mapping[str, Mapping[str, float]]) -> Table:
  """A line a layer."""
  head = ["Layer", *("without HFC" if label == "attack" else label for label in energies)]
  body = [
    [layer, *(fraction(values[layer]) for values in energies.values())]
    for layer in energies["clean"]
  ]
  return Table(
    f"Where {attack_label(attack)} lies by layer: median energy of the target class's mixture over "
    "the number of channels; a layer far from the column of clean images gives the attack away.",
    head, body,
  )  # fmt: skip


def _layer_finding(rows: Sequence[LayerRow]) -> list[str]:
  """Which single layer gives the attacks away most, without and with HFC."""
  several = len({row.attack for row in rows}) > 1

  def label(row: LayerRow) -> str:
    return layer_label(row) + (f" under {attack_label(row.attack)}" if several else "")

  groups = tables.grouped(rows, "weight_rule").items()
  seen = [f"{hfc_label(rule)} by {best(group, label)}" for (rule,), group in groups]
  return [f"Of single layers, most is seen {'; '.join(seen)}."] if seen else []


def _success_table(rows: Sequence[DetectionRow]) -> Table:
  groups = tables.grouped(rows, "attack", "eps_256", "weight_rule").values()
  apart = any(row.grid != "8 bits" for row in rows)
  eight_bits: dict[str, tables.Column] = {"rounded to 8 bits": "adv_acc_8bit"} if apart else {}
  return tables.table(
    "Success of the attacks on AdvTest, percent, 95 % intervals in brackets.",
    [group[0] for group in groups],
    {
      "Attack": _ATTACK["Attack"], "Budget": lambda row: budget(row.eps_256), "Steps": "steps",
      "HFC": tables.weight_label, "Adv. Acc": tables.interval("adv_acc"),
      "as floats": "adv_acc_float", **eight_bits,
      "Adversarials": "n_adversarial",
    },
  )  # fmt: skip


def _detail_tables(rows: Sequence[DetectionRow]) -> Iterator[Table]:
  for (population,), group in tables.grouped(rows, "population").items():
    yield tables.table(
      f"{_POPULATIONS[population]}, against clean AdvTest images; percent, 95 % intervals in "
      "brackets.", group,
      {
        "Detector": lambda row: detector_label(row.detector), **_ATTACK,
        "AUC within class": tables.interval("auc_within_class"),
        "as floats": "auc_within_class_float", "two-sided": tables.TWO_SIDED,
        "two-sided as floats": "auc_within_class_two_sided_float",
        "AUC pooled": tables.interval("auc"),
        "TPR@90": "tpr_at_90_tnr", "Adversarials": "n_adversarial", "Clean": "n_clean",
      },
    )  # fmt: skip


def _overview(rows: Sequence[DetectionRow]) -> Iterator[LineChart]:
  """Each detector's AUC within class without and with HFC, with its interval."""
  places = {name: place for place, name in enumerate(dict.fromkeys(r.detector for r in rows))}
  for (attack, eps), group in tables.grouped(rows, "attack", "eps_256").items():
    lines = []
    by_rule = tables.grouped(group, "weight_rule")
    for place, ((rule,), each) in enumerate(by_rule.items()):
      area, low, high = 100 * np.array([
        (r.auc_within_class, r.auc_within_class_low, r.auc_within_class_high) for r in each
      ], float).T  # fmt: skip
      lines.append(Line(
        hfc_label(rule) if rule is None else f"with {rule_label(rule, each)}",
        [places[r.detector] + 0.16 * (place - (len(by_rule) - 1) / 2) for r in each], area,
        look(rule, place)[0], "", look(rule, place)[2], low, high,
      ))  # fmt: skip
    yield LineChart(
      f"areas_{attack}", f"AUC within class, {attack_label(attack)}, {budget(eps)}", lines=lines,
      x_label="detector", x_ticks={x: detector_label(name) for name, x in places.items()},
      y_label="AUC within class (%)", y_range=(-2, 102), level=50,
      ends=("looks too normal", "caught"),
      caption="Bars are 95 % intervals; 50 % is guessing.",
    )  # fmt: skip


def _figures(study: Study, name: str, compared: Comparison) -> Iterator[Chart]:
  """Examples, histograms, ROC curves and a t-SNE map: without HFC and at each weight on it."""
  clean, results = compared.clean, compared.results
  plain = results["attack"]
  shown = {label: results[label] for label in dict.fromkeys(("attack", list(results)[-1]))}
  some = np.flatnonzero(np.logical_and.reduce([each.success for each in shown.values()]))[:1]
  if len(some):
    names = study.sources.dataset.class_names
    classes = zip(clean.labels[some], plain.targets[some], strict=True)
    yield pictures.example_images(
      name, study.images("adv_test", some), {g: x.images[some] for g, x in shown.items()},
      plain.eps_256, [f"{names[a]} to {names[b]}" for a, b in classes],
    )  # fmt: skip
  scores = {
    detector: {"clean": by_label["clean"]}
    | {group: by_label[group][result.success] for group, result in results.items()}
    for detector, by_label in compared.scores.items()
  }
  predicted = {"clean": clean.predictions}
  predicted |= {group: x.taps.predictions[x.success] for group, x in results.items()}
  yield pictures.score_histograms(name, scores, compared.thresholds)
  yield pictures.roc_curves(name, scores, predicted)
  layer = clean.penultimate
  taps = at_one_target(clean, results)[1]
  features = {group: each.features[layer] for group, each in taps.items()}
  yield pictures.feature_map(name, features, layer, study.config.seed)
