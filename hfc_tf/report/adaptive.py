"""The page that compares adaptive attacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hfc_tf.report import arms
from hfc_tf.report.experiment import Section, Table
from hfc_tf.report.rows import fraction, percent
from hfc_tf.report.words import attack_label

if TYPE_CHECKING:
  from hfc_tf.experiments.adaptive import Row

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
KNOWING = ("selective", "orthogonal")  # attacks that know the detector
_NOTES = (
  "The detectors learnt from the attack without any term. The search for a term's weight starts "
  "where its gradient is as large as the classification loss's, and for HFC at the papers' 1.",
  "Guides are alike in all layers, each divided by its variance on Train. Selective and Orthogonal "
  "PGD know the one detector whose column they stand in; no other attack knows any.",
  arms.CELLS,
)


def section(attack: str, rows: Sequence[Row], dataset: str) -> Section:
  """What the experiment's page shows, for an attack and the papers' figures of a data set."""
  return Section(
    f"Adaptive attacks, {attack_label(attack)}", list(_findings(rows)),
    [_table(rows), *_papers(dataset)], notes=_NOTES,
  )  # fmt: skip


def _words(method: str, rule: str | None) -> str:
  return METHODS[method] + (f" ({rule})" if method == "hfc" else "")


def _findings(rows: Sequence[Row]) -> Iterator[str]:
  areas = {
    key: arms.mean(row.auc_within_class for row in own)
    for key, own in arms.grouped(rows, "method", "weight_rule").items()
    if key[0] not in KNOWING
  }
  known = {key: area for key, area in areas.items() if area is not None}
  order = sorted(known, key=known.__getitem__)
  listed = ", ".join(f"{_words(*key)} {percent(known[key], unit=True)}" for key in order)
  yield f"Mean AUC of the detectors, most hidden first: {listed}."
  for method in KNOWING:
    own = [row for row in rows if row.method == method and row.auc_within_class is not None]
    if own:
      yield (
        f"{METHODS[method]}, which knows the detector, leaves it {arms.mean_area(own)} on average."
      )


def _table(rows: Sequence[Row]) -> Table:
  return arms.detector_table(
    f"{arms.AREAS}, by method.", rows, {"Method": lambda row: _words(row.method, row.weight_rule)},
    {"Adv. Acc": arms.adv_acc, "Weight": lambda own: fraction(own[0].term_weight)},
  )  # fmt: skip


def _papers(dataset: str) -> list[Table]:
  fields = {"setting": "adaptive", "dataset": dataset}
  lines = [
    ([METHODS[method]], "value", fields | {"attack": method})
    for method in ("guide_random", "guide_closest", "kde", "lid")
  ]
  return arms.papers_table(
    "The papers: pooled AUC, percent, ε = 1/256 (TMI, Table II).",
    ["Method"],
    [*lines, ([METHODS["hfc"]], "with_hfc", fields | {"attack": "bim"})],
    note="The Random row for chest repeats the Closest row for fundus.",
  )
