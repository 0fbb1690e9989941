"""The page on detectors of single layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hfc_tf.report import arms
from hfc_tf.report.experiment import Section, Table
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label, detector_label

if TYPE_CHECKING:
  from hfc_tf.experiments.layers import Row

_NOTES = (
  "Each layer's score stands alone; the detectors learnt from the attack without HFC. In the table "
  "'→' leads from without to with HFC.",
  "The papers draw this figure for ResNet-50 on fundus images and print no numbers: without HFC "
  "nearly 100 %, with it less than 80 % for KD and LID and less than 20 % for MAHA.",
)


def section(attack: str, rows: Sequence[Row]) -> Section:
  """What the experiment's page shows."""
  findings = list(_findings(rows))
  figure = arms.area_chart(
    "layers", "Detection by layer", rows, "layer", {row.layer: row.layer for row in rows},
    x_label="activation layer, in the order of the network", alt=" ".join(findings),
  )  # fmt: skip
  title = f"Layers that give {attack_label(attack)} away"
  return Section(title, findings, [_table(rows)], [figure], _NOTES)


def _findings(rows: Sequence[Row]) -> Iterator[str]:
  found = arms.grouped(rows, "detector", "weight_rule")
  last = rows[-1].weight_rule  # of several weights on HFC the last
  for detector in dict.fromkeys(row.detector for row in rows):
    plain, hidden = (found[detector, rule] for rule in (None, last))
    pairs = zip(plain, hidden, strict=True)
    areas = [(a.auc_within_class, b.auc_within_class) for a, b in pairs]
    lower = sum(a is not None and b is not None and b < a for a, b in areas)
    yield (
      f"{detector_label(detector)}: over the layers the mean AUC is {arms.mean_area(plain)} "
      f"without and {arms.mean_area(hidden)} with HFC, which lowers it in {lower} of "
      f"{len(areas)} layers."
    )


def _table(rows: Sequence[Row]) -> Table:
  detectors = list(dict.fromkeys(row.detector for row in rows))
  rules = dict.fromkeys(row.weight_rule for row in rows)
  area = {(row.layer, row.detector, row.weight_rule): row.auc_within_class for row in rows}
  body = [
    [f"{layer} {name}",
     *(" → ".join(percent(area.get((layer, d, rule))) for rule in rules) for d in detectors)]
    for layer, name in sorted({(row.layer, row.layer_name) for row in rows})
  ]  # fmt: skip
  caption = f"{arms.AREAS}, by layer: {' → '.join(rule or 'without HFC' for rule in rules)}."
  return Table(caption, ["Layer", *map(detector_label, detectors)], body)
