"""Does HFC hide when the attacker knows the architecture but not the parameters?

MICCAI Table 4 and TMI Table IV: adversarials are made on a substitute classifier, trained apart on
the same images, and shown to the victim and its detectors. The weight on HFC is tuned on the
substitute: the attacker has nothing else.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import hiding_study, labelled_rows
from hfc_tf.report import arms
from hfc_tf.report.experiment import Section, Table, write_study
from hfc_tf.report.words import attack_label, model_label
from hfc_tf.study import cases
from hfc_tf.study.config import Config

_NOTES = (
  "The victim's detectors learnt from the attack without HFC on the victim itself. The substitute "
  "is trained with another seed on the same Train images; the attack knows nothing of the victim.",
  "Adv. Acc is the share of AdvTest images that move the victim to the target; only these are "
  f"scored. {arms.CELLS}",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row(DetectionRow):
  """One detector of the victim against one arm; `substitute` is None where no other was used."""

  victim: str
  substitute: str | None


def run(config: Config, substitutes: Sequence[str] = ()) -> dict[str, Any]:
  """Trains substitutes, attacks the victim through them and writes the report into config.out.

  Args:
    config: of the victim; its first attack is made without and with HFC.
    substitutes: keys of MODELS; none: the victim's own architecture. They must take images with
      as many channels as the victim.

  Returns:
    What results.json holds.
  """
  begun = time.monotonic()
  victim, name = hiding_study(config)
  known = str(victim.config.model_path or victim.config.model)
  own = cases.plain_and_hidden(victim, name)
  rows = [Row(**row, victim=known, substitute=None) for _, row in labelled_rows(own)]
  seed = victim.config.seed if victim.config.model_seed is None else victim.config.model_seed
  for model in substitutes or (str(victim.config.model),):
    substitute = victim.beside(
      f"substitute_{model}",
      model=model,
      model_path=None,
      model_seed=seed + 1,
      same_split=True,
    )
    attacks = {"attack": substitute.attack(name), **cases.hidden(substitute, name)}
    shots = {
      label: cases.shoot(victim, name, attack, None if label == "attack" else label, by=substitute)
      for label, attack in attacks.items()
    }
    case = cases.scored(victim, own.detectors, shots)
    rows += [Row(**row, victim=known, substitute=model) for _, row in labelled_rows(case)]
    victim.warn(*(f"Substitute {model_label(model)}: {text}" for text in substitute.warnings))
  return write_study("semi_white_box", victim, begun, rows, Section(
    f"{attack_label(name)} from a substitute", list(_findings(rows)),
    [_table(rows), *_papers(victim.config.dataset)], notes=_NOTES,
  ))  # fmt: skip


def _findings(rows: Sequence[Row]) -> Iterator[str]:
  for (model, rule), own in arms.grouped(rows, "substitute", "weight_rule").items():
    made = "the victim itself" if model is None else f"a {model_label(model)} trained apart"
    yield (
      f"Made on {made}, {arms.with_hfc(rule)}: {arms.adv_acc(own)}\u202f% of the images move the "
      f"victim, the detectors' mean AUC is {arms.mean_area(own)}."
    )


def _table(rows: Sequence[Row]) -> Table:
  caption = f"{arms.AREAS}, and the attack's success against the victim, "
  return arms.detector_table(caption + f"{model_label(rows[0].victim)}.", rows, {
    "Made on": lambda row: model_label(row.substitute or "victim itself"),
    "HFC": arms.weight_words,
  })  # fmt: skip


def _papers(dataset: str) -> list[Table]:
  fields = {"setting": "semi_white_box", "dataset": dataset}
  return arms.papers_table(
    "The papers: pooled AUC, percent, ε = 4/256 (TMI, Table IV).",
    ["Victim and substitute"],
    [
      ([f"{model_label(model)}, {words}"], side, fields | {"classifier": model})
      for model in ("resnet50", "vgg16")
      for side, words in arms.SIDES.items()
    ],
  )
