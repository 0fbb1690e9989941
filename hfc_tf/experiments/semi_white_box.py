"""Does HFC hide when the attacker knows the architecture but not the parameters?

MICCAI Table 4 and TMI Table IV: adversarials are made on a substitute classifier, trained apart on
the same images, and shown to the victim and its detectors. The weight on HFC is tuned on the
substitute: the attacker has nothing else.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from hfc_tf.errors import InputError
from hfc_tf.experiments.common import hfc_study, labelled_rows, study_result
from hfc_tf.results import tables
from hfc_tf.results.labels import attack_label, hfc_label, model_label, start_label
from hfc_tf.results.result import Result
from hfc_tf.results.rows import PairRow, SubstituteRow
from hfc_tf.study import comparison, hfc_weight, pairs
from hfc_tf.study.config import Config

_NOTES = (
  "The victim's detectors learnt from the attack without HFC on the victim itself. The substitute "
  "is trained with another seed on the same Train images, and starts where the victim does unless "
  "the column Start says otherwise, as both of the papers' start from ImageNet; Adv. Acc is of the "
  "victim. "
  f"{tables.CELLS}",
)


def run(config: Config, substitutes: Sequence[str] = (), cross_starts: bool = True) -> Result:
  """Trains substitutes and attacks the victim through them.

  Args:
    config: of the victim; its first attack is made without and with HFC.
    substitutes: keys of MODELS; none: the victim's own architecture. They start from the weights
      of `config`.
    cross_starts: where there are such weights, also take substitutes from scratch.
  """
  victim, name = hfc_study(config)
  known = str(victim.config.model_path or victim.config.model)
  direct = comparison.compare(victim, name)
  start = "unknown" if victim.config.model_path else victim.config.start
  if victim.config.model_path and not substitutes:
    victim.warn(
      f"The substitute is a {model_label(str(victim.config.model))}: the architecture of "
      "--model_path is not trained here; --substitutes names the nearest."
    )
  rows = [
    SubstituteRow(**row, victim=known, substitute=None, start=start)
    for _, row in labelled_rows(direct)
  ]
  paired: list[PairRow] = []
  seed = victim.config.seed if victim.config.model_seed is None else victim.config.model_seed
  for model, scratch in itertools.product(
    substitutes or (str(victim.config.model),), (False, True) if cross_starts else (False,)
  ):
    origin = dataclasses.replace(victim.config, model=model).start
    if scratch and origin is None:
      continue
    folder = f"substitute_{model}{'_scratch' if scratch else ''}"
    weights = None if scratch else origin
    try:
      substitute = victim.beside(
        folder, model=model, model_path=None, weights=weights, model_seed=seed + 1,
        rows=victim.split,
      )
    except InputError as error:
      if not scratch:
        raise
      victim.warn(f"Substitute {model_label(model)} from scratch is left out: {error}")
      continue
    plain = substitute.attack(name)
    results = {"attack": comparison.evaluate(victim, name, plain, by=substitute)}
    for rule, attack in hfc_weight.hfc_attacks(substitute, name).items():
      results[rule] = comparison.evaluate(victim, name, attack, rule, by=substitute)
    compared = comparison.score(victim, direct.detectors, results)
    rows += [
      SubstituteRow(**row, victim=known, substitute=model, start=weights)
      for _, row in labelled_rows(compared)
    ]
    if form := pairs.form_of_hfc(compared):
      sides = (compared, form), (compared, "attack")
      paired += pairs.pair("substitute", *sides, substitute=model, start=weights)
    victim.warn(*(f"Substitute {model_label(model)}: {text}" for text in substitute.warnings))
  table = tables.detector_table(
    f"{tables.AREAS}, and the attack's success against the victim, {model_label(known)} (start: "
    f"{start_label(start)}).", rows,
    {"Made on": lambda row: model_label(row.substitute or "victim itself"),
     "Start": lambda row: start_label(row.start), "HFC": tables.weight_label},
  )  # fmt: skip
  published = tables.papers_table(
    "The papers: pooled AUC, percent.", setting="semi_white_box", dataset=victim.config.dataset
  )
  return study_result(
    "semi_white_box", victim, rows, {"pairs": paired},
    title=f"{attack_label(name)} from a substitute",
    lead=[tables.means(rows, _label)], tables=[table, *published],
    notes=_NOTES,
  )  # fmt: skip


def _label(row: SubstituteRow) -> str:
  model = row.substitute
  made = "the victim itself" if model is None else f"a {model_label(model)} trained apart"
  if model is not None:
    made += f" from {start_label(row.start)}"
  return f"made on {made}, {hfc_label(row.weight_rule)}"
