"""The page on where features lie."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hfc_tf.report.arms import grouped
from hfc_tf.report.experiment import Section, Table
from hfc_tf.report.figures import Array, Figure, feature_map
from hfc_tf.report.rows import percent
from hfc_tf.report.words import arm_label, attack_label, number

if TYPE_CHECKING:
  from hfc_tf.experiments.tsne import SeparabilityRow
  from hfc_tf.study.config import Config

_NOTES = (
  "Neighbours: every image of the group and equally many clean images of the target class are "
  "asked for their nearest neighbour; the share whose neighbour is of their own side. 50 % means "
  "that the two cannot be told apart, 100 % that they lie apart.",
  "Silhouette: (b − a) / max(a, b), a and b being an image's mean distances to its own side and to "
  "the other; 1 for compact groups far apart, 0 for mixed ones.",
  "Distance: the median distance to the nearest clean image of the target class; 1 is what these "
  "images have among themselves. Below 1 a group lies closer to them than they do to one another.",
  "All images of a picture have, or aim at, the one class that most attacks aim at.",
)


def section(
  config: Config,
  rows: Sequence[SeparabilityRow],
  features: Mapping[tuple[int, str], Mapping[str, Array]],
) -> Section:
  """What the experiment's page shows.

  Args:
    config: of the study.
    rows: of all layers and groups.
    features: by number and name of the layer, then as for `feature_map`.
  """
  title = f"Features under {attack_label(config.attacks[0])}" + (" and HFC" if config.hfc else "")
  figures = [_figure(config, place, layer, found) for (place, layer), found in features.items()]
  return Section(title, list(_sentences(rows)), [_table(rows)], figures, _NOTES)


def _figure(config: Config, place: int, layer: str, features: Mapping[str, Array]) -> Figure:
  drawn = feature_map(features, seed=config.seed, attack=config.attacks[0], layer=layer)
  return dataclasses.replace(drawn, name=f"tsne_{place:02d}", title=f"Features, {layer}")


def _table(rows: Sequence[SeparabilityRow]) -> Table:
  head = ["Layer"]
  for group in dict.fromkeys(row.group for row in rows):
    head += [f"{arm_label(rows[0].attack, group)}: neighbours (%)", "silhouette", "distance"]
  body = []
  for (place, layer), own in grouped(rows, "layer_number", "layer").items():
    body.append([f"{place} {layer}"])
    for row in own:
      figures = (row.silhouette, row.distance)
      body[-1] += [percent(row.neighbours), *("–" if v is None else f"{v:.2f}" for v in figures)]
  budget = f"ε = {number(rows[0].eps_256, 3)}/256, {rows[0].steps} steps"
  return Table(f"Apart from clean images of the target class; {budget}", head, body)


def _sentences(rows: Sequence[SeparabilityRow]) -> Iterator[str]:
  last = max(row.layer_number for row in rows)
  for row in rows:
    if row.layer_number == last and row.group != "clean_original" and row.distance is not None:
      yield (
        f"In layer {last}, images attacked by {arm_label(row.attack, row.group)} lie "
        f"{row.distance:.1f} times as far from the nearest clean image of their target class as "
        f"such images lie from one another, and {percent(row.neighbours, 0, unit=True)} of both "
        "have their own kind as nearest neighbour (50\u202f% would be indistinguishable)."
      )
