"""Where adversarial features lie: t-SNE at any layers, clean, attacked and hidden.

MICCAI Fig. 1 and 3a, TMI Fig. 1 and 7. Beside each picture stand figures of separability, taken in
feature space: t-SNE keeps neighbours, not distances.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from hfc_tf.report.experiment import Table, study_results, write_experiment
from hfc_tf.report.figures import feature_map
from hfc_tf.report.rows import percent
from hfc_tf.report.words import arm_label, attack_label, number
from hfc_tf.study import cases
from hfc_tf.study.config import Config
from hfc_tf.study.flags import choose_layers
from hfc_tf.study.study import Study

Array = np.ndarray[Any, Any]
_DEPTHS = (16, 34, 49)  # of ResNet-50's 49 activations; TMI Fig. 7 shows layer 34
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


@dataclasses.dataclass(frozen=True)
class SeparabilityRow:
  """One group of images against clean images of the target class, at one layer.

  `group` is "clean_original" (the other classes), "attack" or "hfc"; the last three figures are
  those of `Separability`.
  """

  layer: str
  layer_number: int
  group: str
  attack: str
  hfc_weight: float
  eps_256: float
  steps: int
  target: int
  n_group: int
  n_clean: int
  neighbours: float | None
  silhouette: float | None
  distance: float | None


class Separability(NamedTuple):
  """How well a set of features can be told from normal ones; None where a set has fewer than two.

  Attributes:
    neighbours: share of images, as many of each set, whose nearest neighbour is of their own set;
      0.5 is not at all.
    silhouette: the coefficient of the two sets (Rousseeuw, 1987).
    distance: median distance to the nearest normal image, in units of what the normal images have
      among themselves.
  """

  neighbours: float | None
  silhouette: float | None
  distance: float | None


def separability(normal: Array, other: Array, seed: int) -> Separability:
  """Tells normal features [n, C] from others [m, C]; of each, min(n, m) are drawn by `seed`."""
  size = min(len(normal), len(other))
  if size < 2:
    return Separability(None, None, None)
  rng = np.random.default_rng(seed)
  points = np.concatenate([x[np.sort(rng.choice(len(x), size, False))] for x in (normal, other)])
  sides = np.repeat([0, 1], size)
  nearest = NearestNeighbors(n_neighbors=1).fit(points).kneighbors()[1][:, 0]
  search = NearestNeighbors(n_neighbors=1).fit(normal)
  own = float(np.median(search.kneighbors()[0]))
  return Separability(
    float(np.mean(sides[nearest] == sides)),
    float(silhouette_score(points, sides)),
    float(np.median(search.kneighbors(other)[0])) / own if own else None,
  )


def run(config: Config, layers: Sequence[str] = ()) -> dict[str, Any]:
  """Attacks AdvTest with the first attack, without and with HFC, and draws the features.

  Args:
    config: `hfc` adds the hidden images, at the last of `hfc_weights`.
    layers: names of taps or their numbers from 1; none: three depths, the last layer among them.

  Returns:
    What results.json holds.
  """
  begun = time.monotonic()
  study = Study(config.resolved())
  config, name = study.config, study.config.attacks[0]
  hidden = list(cases.hidden(study, name).values()) if config.hfc else []
  attacks = dict(zip(("attack", "hfc"), (study.attack(name), *hidden[-1:]), strict=False))
  shots = {group: cases.shoot(study, name, attack).arm for group, attack in attacks.items()}
  clean, targets = study.clean["adv_test"], study.targets["adv_test"]
  target = int(np.bincount(targets).argmax())
  taps = {
    "clean_original": clean[clean.labels != target],
    "clean_target": clean[clean.labels == target],
    **{g: arm.taps[arm.success & (targets == target)] for g, arm in shots.items()},
  }
  rows, figures = [], []
  for layer in choose_layers(layers, clean.features, _DEPTHS):
    features = {group: found.features[layer] for group, found in taps.items()}
    place = list(clean.features).index(layer) + 1
    for group in ("clean_original", *shots):
      found = separability(features["clean_target"], features[group], config.seed)
      weight = shots[group].hfc_weight if group in shots else 0.0
      row = SeparabilityRow(
        layer=layer,
        layer_number=place,
        group=group,
        attack=name,
        hfc_weight=weight,
        eps_256=float(config.eps_256 or 0),
        steps=int(config.steps or 0),
        target=target,
        n_group=len(features[group]),
        n_clean=len(features["clean_target"]),
        **found._asdict(),
      )
      rows.append(row)
    words = f"layer {place} of {len(clean.features)} ({layer})"
    drawn = feature_map(features, seed=config.seed, attack=name, layer=words)
    figures.append(dataclasses.replace(drawn, name=f"tsne_{place:02d}", title=f"Features, {words}"))
  return write_experiment(
    config.out,
    study_results("tsne", study, begun),
    rows,
    title=f"Features under {attack_label(name)}" + (" and HFC" if config.hfc else ""),
    lead=list(_sentences(rows)),
    tables=[_table(rows)],
    figures=figures,
    notes=_NOTES,
  )


def _table(rows: Sequence[SeparabilityRow]) -> Table:
  groups = list(dict.fromkeys(row.group for row in rows))
  head = ["Layer"]
  for group in groups:
    words = arm_label(rows[0].attack, group)
    head += [f"{words}: neighbours (%)", "silhouette", "distance"]
  found = {(row.layer, row.group): row for row in rows}
  body = []
  for layer in dict.fromkeys(row.layer for row in rows):
    cells = [f"{found[layer, groups[0]].layer_number} {layer}"]
    for group in groups:
      row = found[layer, group]
      cells.append(percent(row.neighbours))
      cells += ["–" if v is None else f"{v:.2f}" for v in (row.silhouette, row.distance)]
    body.append(cells)
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
