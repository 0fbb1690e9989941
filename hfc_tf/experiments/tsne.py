"""Where adversarial features lie: t-SNE at any layers, clean, attacked and hidden.

MICCAI Fig. 1 and 3a, TMI Fig. 1 and 7. Beside each picture stand figures of separability, taken in
feature space: t-SNE keeps neighbours, not distances.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from hfc_tf.experiments.common import study_result
from hfc_tf.experiments.measures import at_one_target, separability
from hfc_tf.results.features import SeparabilityRow
from hfc_tf.results.figures import FeatureMap
from hfc_tf.results.labels import attack_label, budget, group_label, percent
from hfc_tf.results.result import Result, Table
from hfc_tf.results.tables import grouped
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.config import Config
from hfc_tf.study.flags import choose_layers
from hfc_tf.study.study import Study

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


def run(config: Config, layers: Sequence[str] = ()) -> Result:
  """Attacks AdvTest with the first attack, without and with HFC.

  Args:
    config: `hfc` adds the hidden images, at the last of `hfc_weights`.
    layers: names of taps or their numbers from 1; none: three depths, the last layer among them.
  """
  begun = time.monotonic()
  study = Study(config.resolved())
  config, name = study.config, study.config.attacks[0]
  hidden = list(hfc_weight.hfc_attacks(study, name).values()) if config.hfc else []
  attacks = dict(zip(("attack", "hfc"), (study.attack(name), *hidden[-1:]), strict=False))
  adversarials = {
    group: comparison.evaluate(study, name, attack) for group, attack in attacks.items()
  }
  clean = study.clean["adv_test"]
  target, taps = at_one_target(clean, adversarials)
  rows, maps = [], []
  for layer in choose_layers(layers, clean.features, _DEPTHS):
    features = {group: each.features[layer] for group, each in taps.items()}
    place = list(clean.features).index(layer) + 1
    for group in ("clean_original", *adversarials):
      figures = separability(features["clean_target"], features[group], config.seed)
      weight = adversarials[group].hfc_weight if group in adversarials else 0.0
      rows.append(SeparabilityRow(
        layer=layer, layer_number=place, group=group, attack=name, hfc_weight=weight,
        eps_256=float(config.eps_256 or 0), steps=int(config.steps or 0), target=target,
        n_group=len(features[group]), n_clean=len(features["clean_target"]), **figures._asdict(),
      ))  # fmt: skip
    shown = f"layer {place} of {len(clean.features)} ({layer})"
    maps.append(FeatureMap(
      features, seed=config.seed, attack=name, layer=shown, name=f"tsne_{place:02d}",
      title=f"Features, {shown}",
    ))  # fmt: skip
  return study_result(
    "tsne", study, begun, rows,
    title=f"Features under {attack_label(name)}" + (" and HFC" if config.hfc else ""),
    findings=list(_findings(rows)), tables=[_table(rows)], figures=maps, notes=_NOTES,
  )  # fmt: skip


def _table(rows: Sequence[SeparabilityRow]) -> Table:
  head = ["Layer"]
  for group in dict.fromkeys(row.group for row in rows):
    head += [f"{group_label(rows[0].attack, group)}: neighbours (%)", "silhouette", "distance"]
  body = []
  for (place, layer), group_rows in grouped(rows, "layer_number", "layer").items():
    body.append([f"{place} {layer}"])
    for row in group_rows:
      figures = (row.silhouette, row.distance)
      body[-1] += [percent(row.neighbours), *("–" if v is None else f"{v:.2f}" for v in figures)]
  size = f"{budget(rows[0].eps_256)}, {rows[0].steps} steps"
  return Table(f"Apart from clean images of the target class; {size}", head, body)


def _findings(rows: Sequence[SeparabilityRow]) -> Iterator[str]:
  last = max(row.layer_number for row in rows)
  for row in rows:
    if row.layer_number == last and row.group != "clean_original" and row.distance is not None:
      yield (
        f"In layer {last}, images attacked by {group_label(row.attack, row.group)} lie "
        f"{row.distance:.1f} times as far from the nearest clean image of their target class as "
        f"such images from one another; {percent(row.neighbours, 0, unit=True)} of both have their "
        "own kind as nearest neighbour (50\u202f% would be indistinguishable)."
      )
