"""Where adversarial features lie: t-SNE at any layers, clean, attacked and hidden.

MICCAI Fig. 1 and 3a, TMI Fig. 1 and 7. Beside each picture stand figures of separability, taken in
feature space: t-SNE keeps neighbours, not distances.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from hfc_tf.experiments.measures import separability
from hfc_tf.report import tsne as page
from hfc_tf.report.experiment import write_study
from hfc_tf.report.figures import at_one_target
from hfc_tf.study import cases
from hfc_tf.study.config import Config
from hfc_tf.study.flags import choose_layers
from hfc_tf.study.study import Study

_DEPTHS = (16, 34, 49)  # of ResNet-50's 49 activations; TMI Fig. 7 shows layer 34


@dataclasses.dataclass(frozen=True)
class SeparabilityRow:
  """One group of images against clean images of the target class, at one layer.

  `group` is "clean_original" (the other classes), "attack" or "hfc"; the last three figures are
  those of `measures.Separability`.
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
  clean = study.clean["adv_test"]
  target, taps = at_one_target(clean, shots)
  rows, pictures = [], {}
  for layer in choose_layers(layers, clean.features, _DEPTHS):
    features = {group: found.features[layer] for group, found in taps.items()}
    place = list(clean.features).index(layer) + 1
    for group in ("clean_original", *shots):
      found = separability(features["clean_target"], features[group], config.seed)
      weight = shots[group].hfc_weight if group in shots else 0.0
      rows.append(SeparabilityRow(
        layer=layer, layer_number=place, group=group, attack=name, hfc_weight=weight,
        eps_256=float(config.eps_256 or 0), steps=int(config.steps or 0), target=target,
        n_group=len(features[group]), n_clean=len(features["clean_target"]), **found._asdict(),
      ))  # fmt: skip
    pictures[place, f"layer {place} of {len(clean.features)} ({layer})"] = features
  return write_study("tsne", study, begun, rows, page.section(study.config, rows, pictures))
