"""Does HFC hide better than other adaptive attacks?

MICCAI Table 3 and TMI Table II: features like those of a random or the closest guide image (Sabour
et al., 2016), the loss of the kernel density (Carlini and Wagner, 2017), that of the local
intrinsic dimensionality (Athalye et al., 2018), and HFC. Each term has the largest weight that
keeps Adv. Acc at 95 % on AdvTrain. Beyond the papers, two attacks that know the detector
(Bryniarski et al., 2021) bound what any attack can hide from it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

from hfc_tf.attacks import OrthogonalPGD, SelectivePGD
from hfc_tf.attacks.objectives import KDE, LID, Guide, Objective
from hfc_tf.detectors import DETECTORS
from hfc_tf.detectors.base import Detector
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import AREAS, cells, heads, mean, printed, published
from hfc_tf.report.experiment import Table, study_results, write_experiment
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label, detector_label
from hfc_tf.study import cases, hiding
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

METHODS = {
  "none": "no term",
  "guide_random": "Random guide",
  "guide_closest": "Closest guide",
  "kde": "KDE",
  "lid": "LID",
  "hfc": "HFC",
  "selective": "Selective PGD",
  "orthogonal": "Orthogonal PGD",
}
BOUNDS = {"selective": SelectivePGD, "orthogonal": OrthogonalPGD}
_NOTES = (
  "The detectors learnt from the attack without any term. The search for a term's weight starts "
  "where its gradient is as large as the classification loss's, and for HFC at the papers' 1.",
  "Guides are alike in all layers, each divided by its variance on Train. Selective and Orthogonal "
  "PGD know the one detector whose column they stand in; no other attack knows any.",
  "Cells are AUCs within class; in brackets the pooled ones, which the papers report.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row(DetectionRow):
  """One detector against one method, a key of METHODS; `term_weight` is that of its term."""

  method: str
  term_weight: float | None


def run(config: Config, bounds: Sequence[str] = tuple(BOUNDS)) -> dict[str, Any]:
  """Attacks with every method and writes the report into config.out.

  Args:
    config: its first attack, and HFC at its weights.
    bounds: which of the attacks that know the detector are made, keys of BOUNDS.

  Returns:
    What results.json holds.
  """
  begun = time.monotonic()
  study = Study(dataclasses.replace(config, hfc=True).resolved())
  name = study.config.attacks[0]
  plain = study.attack(name)
  detectors = cases.fitted(study, name, {"attack": plain})
  shots = {"none": cases.shoot(study, name, plain)}
  weights: dict[str, float | None] = {"none": None}
  for method, term in rivals(study).items():
    attack = study.attack(name, term)
    start = hiding.balanced(study, attack, term.name)
    weight = hiding.tuned(study, name, attack, term.name, start, start)
    if weight is not None:
      hidden = hiding.weighted(attack, term.name, weight)
      shots[method], weights[method] = cases.shoot(study, name, hidden, "auto"), weight
  for rule, hidden in hiding.hidden(study, name).items():
    shots[f"hfc {rule}"] = cases.shoot(study, name, hidden, rule)
    weights[f"hfc {rule}"] = hidden.weights["hfc"]
  case = cases.scored(study, detectors, shots)
  rows = [
    Row(**vars(row), method=label.split()[0], term_weight=weights[label])
    for label in shots
    for row in case.rows_of(label)
  ]
  for bound in bounds:
    rows += _bound(study, bound, detectors)
  tables = [_table(rows)]
  if published(setting="adaptive", dataset=study.config.dataset):
    tables.append(_papers(study.config.dataset))
  return write_experiment(
    config.out,
    study_results("adaptive", study, begun),
    rows,
    title=f"Adaptive attacks, {attack_label(name)}",
    lead=list(_findings(rows)),
    tables=tables,
    notes=_NOTES,
  )


def rivals(study: Study) -> dict[str, Objective]:
  """The terms of the other adaptive attacks, by method."""
  train, seed = study.train, study.config.seed
  layers = list(train.features)
  return {
    "guide_random": Guide(train, "random", layers),
    "guide_closest": Guide(train, "closest", layers),
    "kde": KDE(train),
    "lid": LID(train, seed=seed),
  }


def _bound(study: Study, method: str, detectors: dict[str, Detector]) -> Iterator[Row]:
  """Each detector against the attack that knows it."""
  for name, detector in detectors.items():
    if detector.reads == "images" or not DETECTORS[name].differentiable:
      study.warn(f"{METHODS[method]} needs a gradient that {detector_label(name)} has not.")
      continue
    attack = BOUNDS[method](study.attacked_model, detector, **study.attack_settings())
    case = cases.scored(study, {name: detector}, {method: cases.shoot(study, "pgd", attack)})
    for row in case.rows_of(method):
      yield Row(**vars(row), method=method, term_weight=None)


def _groups(rows: Sequence[Row]) -> dict[tuple[str, str | None], list[Row]]:
  """Rows by (method, rule of the weight)."""
  keys = dict.fromkeys((row.method, row.weight_rule) for row in rows)
  return {key: [r for r in rows if (r.method, r.weight_rule) == key] for key in keys}


def _words(method: str, rule: str | None) -> str:
  return METHODS[method] + (f" ({rule})" if method == "hfc" else "")


def _findings(rows: Sequence[Row]) -> Iterator[str]:
  areas = {
    key: mean(row.auc_within_class for row in own)
    for key, own in _groups(rows).items()
    if key[0] not in BOUNDS
  }
  known = {key: area for key, area in areas.items() if area is not None}
  order = sorted(known, key=known.__getitem__)
  yield "Mean AUC of the detectors, most hidden first: " + ", ".join(
    f"{_words(*key)} {percent(known[key], unit=True)}" for key in order
  ) + "."  # fmt: skip
  for bound in BOUNDS:
    area = mean(row.auc_within_class for row in rows if row.method == bound)
    if area is not None:
      yield (
        f"{METHODS[bound]}, which knows the detector, leaves it {percent(area, unit=True)} on "
        "average."
      )


def _table(rows: Sequence[Row]) -> Table:
  detectors = list(dict.fromkeys(row.detector for row in rows))
  body = []
  for (method, rule), own in _groups(rows).items():
    weight = own[0].term_weight
    accuracies = [row.adv_acc for row in own]
    span = dict.fromkeys(percent(value) for value in (min(accuracies), max(accuracies)))
    body.append([
      _words(method, rule), *cells(own, detectors), "–".join(span),
      "–" if weight is None else f"{weight:.3g}",
    ])  # fmt: skip
  head = ["Method", *heads(detectors), "Adv. Acc", "Weight"]
  return Table(f"{AREAS}, by method.", head, body)


def _papers(dataset: str) -> Table:
  names, body = ("kd", "maha", "lid", "svm", "dnn"), []
  for method in ("guide_random", "guide_closest", "kde", "lid", "hfc"):
    fields = {"setting": "adaptive", "dataset": dataset}
    attack = "bim" if method == "hfc" else method
    line = [
      *(published(**fields, attack=attack, detector=name, metric="auc") for name in names),
      published(**fields, attack=attack, metric="adv_acc"),
    ]
    side = "with_hfc" if method == "hfc" else "value"
    body.append([METHODS[method], *(printed(cell, side) for cell in line)])
  note = "The Random row for chest repeats the Closest row for fundus."
  head = ["Method", *map(detector_label, names), "Adv. Acc"]
  return Table("The papers: pooled AUC, percent, ε = 1/256 (TMI, Table II).", head, body, note)
