"""Where adversarial features lie: t-SNE at any layers, clean, attacked and hidden.

MICCAI Fig. 1 and 3a, TMI Fig. 1 and 7. Beside each picture stand figures of separability, taken in
feature space: t-SNE keeps neighbours, not distances.
"""

from __future__ import annotations

from collections.abc import Sequence

from hfc_tf.experiments.common import study_result
from hfc_tf.experiments.measures import at_one_target, separability
from hfc_tf.experiments.pictures import feature_map
from hfc_tf.results import tables
from hfc_tf.results.feature_rows import SeparabilityRow
from hfc_tf.results.labels import attack_label, budget, decimal, group_label, hfc_label, share
from hfc_tf.results.result import Result, Table
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.config import Config
from hfc_tf.study.flags import choose_layers
from hfc_tf.study.study import Study

_DEPTHS = (16, 34, 49)  # of ResNet-50's 49 activations; TMI Fig. 7 shows layer 34
_NOTE = (
  "Neighbours: share of images whose nearest neighbour is of their own side, as many of each; 50 % "
  "cannot be told apart. Silhouette: 1 for compact groups far apart, 0 for mixed ones. Distance: "
  "to the nearest clean image of the target class; 1 is what these have among themselves."
)


def run(config: Config, layers: Sequence[str] = ()) -> Result:
  """Attacks AdvTest with the first attack, without and with HFC.

  Args:
    config: `hfc` adds the hidden images, at the last of `hfc_weights`.
    layers: names of taps or their numbers from 1; none: three depths, the last layer among them.
  """
  study = Study(config.resolved())
  config, name = study.config, study.config.attacks[0]
  attacks = {"attack": study.attack(name)}
  forms = hfc_weight.hfc_attacks(study, name) if config.hfc else {}
  if rule := next(reversed(forms), None):
    attacks["hfc"] = forms[rule]
  results = {group: comparison.evaluate(study, name, each) for group, each in attacks.items()}
  clean = study.clean["adv_test"]
  target, taps = at_one_target(clean, results)
  rows, maps = [], []
  for layer in choose_layers(layers, clean.features, _DEPTHS):
    features = {group: each.features[layer] for group, each in taps.items()}
    place = list(clean.features).index(layer) + 1
    rows += [
      SeparabilityRow(
        layer, place, group, name, results[group].hfc_weight if group in results else 0.0,
        float(config.eps_256 or 0), int(config.steps or 0), target, len(features[group]),
        len(features["clean_target"]),
        *separability(features["clean_target"], features[group], config.seed),
      )
      for group in ("clean_original", *results)
    ]  # fmt: skip
    shown = f"layer {place} of {len(clean.features)} ({layer})"
    maps.append(feature_map(name, features, shown, config.seed, name=f"tsne_{place:02d}"))
  return study_result(
    "tsne", study, rows,
    title=f"Features under {attack_label(name)}, without HFC"
    + (f" and {hfc_label(rule)}" if rule else ""),
    lead=[_finding(rows[-1])], tables=[_table(rows)], figures=maps,
    notes=["All images of a picture have, or aim at, the one class that most attacks aim at."],
  )  # fmt: skip


def _table(rows: Sequence[SeparabilityRow]) -> Table:
  return tables.table(
    "Apart from clean images of the target class; "
    f"{budget(rows[0].eps_256)}, {rows[0].steps} steps", rows,
    {
      "Layer": lambda row: f"{row.layer_number} {row.layer}",
      "Images": lambda row: group_label(row.attack, row.group),
      "Neighbours (%)": "neighbours",
      "Silhouette": lambda row: decimal(row.silhouette),
      "Distance": lambda row: decimal(row.distance),
    },
    _NOTE,
  )  # fmt: skip


def _finding(row: SeparabilityRow) -> str:
  return (
    f"In layer {row.layer_number}, {share(row.neighbours, 0)} of the images attacked by "
    f"{group_label(row.attack, row.group)} and of the clean ones of their target class have their "
    "own kind as nearest neighbour."
  )
