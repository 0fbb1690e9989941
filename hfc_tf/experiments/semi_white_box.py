"""Does HFC hide when the attacker knows the architecture but not the parameters?

MICCAI Table 4 and TMI Table IV: adversarials are made on a substitute classifier, trained apart on
the same images, and shown to the victim and its detectors. The weight on HFC is tuned on the
substitute: the attacker has nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from hfc_tf.experiments.common import hiding_study, labelled_rows, study_result
from hfc_tf.results import tables
from hfc_tf.results.detection import SubstituteRow
from hfc_tf.results.labels import attack_label, model_label
from hfc_tf.results.result import Result, Table
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.config import Config

_NOTES = (
  "The victim's detectors learnt from the attack without HFC on the victim itself. The substitute "
  "is trained with another seed on the same Train images; the attack knows nothing of the victim.",
  "Adv. Acc is the share of AdvTest images that move the victim to the target; only these are "
  f"scored. {tables.CELLS}",
)


def run(config: Config, substitutes: Sequence[str] = ()) -> Result:
  """Trains substitutes and attacks the victim through them.

  Args:
    config: of the victim; its first attack is made without and with HFC.
    substitutes: keys of MODELS; none: the victim's own architecture. They must take images with
      as many channels as the victim.
  """
  begun = time.monotonic()
  victim, name = hiding_study(config)
  known = str(victim.config.model_path or victim.config.model)
  direct = comparison.compare(victim, name)
  rows = [SubstituteRow(**row, victim=known, substitute=None) for _, row in labelled_rows(direct)]
  seed = victim.config.seed if victim.config.model_seed is None else victim.config.model_seed
  for model in substitutes or (str(victim.config.model),):
    substitute = victim.beside(
      f"substitute_{model}",
      model=model,
      model_path=None,
      model_seed=seed + 1,
      same_split=True,
    )
    attacks = {"attack": substitute.attack(name), **hfc_weight.hfc_attacks(substitute, name)}
    made = {
      label: comparison.evaluate(
        victim, name, attack, None if label == "attack" else label, by=substitute
      )
      for label, attack in attacks.items()
    }
    compared = comparison.score(victim, direct.detectors, made)
    rows += [
      SubstituteRow(**row, victim=known, substitute=model) for _, row in labelled_rows(compared)
    ]
    victim.warn(*(f"Substitute {model_label(model)}: {text}" for text in substitute.warnings))
  return study_result(
    "semi_white_box", victim, begun, rows,
    title=f"{attack_label(name)} from a substitute", findings=[tables.mean_areas(rows, _label)],
    tables=[_table(rows), *_papers(victim.config.dataset)], notes=_NOTES,
  )  # fmt: skip


def _label(row: SubstituteRow) -> str:
  model = row.substitute
  made = "the victim itself" if model is None else f"a {model_label(model)} trained apart"
  return f"made on {made}, {tables.with_hfc(row.weight_rule)}"


def _table(rows: Sequence[SubstituteRow]) -> Table:
  caption = f"{tables.AREAS}, and the attack's success against the victim, "
  return tables.detector_table(caption + f"{model_label(rows[0].victim)}.", rows, {
    "Made on": lambda row: model_label(row.substitute or "victim itself"),
    "HFC": tables.weight_label,
  })  # fmt: skip


def _papers(dataset: str) -> list[Table]:
  fields = {"setting": "semi_white_box", "dataset": dataset}
  return tables.papers_table(
    "The papers: pooled AUC, percent, ε = 4/256 (TMI, Table IV).",
    ["Victim and substitute"],
    [
      ([f"{model_label(model)}, {label}"], side, fields | {"classifier": model})
      for model in ("resnet50", "vgg16")
      for side, label in tables.SIDES.items()
    ],
  )
