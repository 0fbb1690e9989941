"""Does HFC hide when the attacker knows the architecture but not the parameters?

MICCAI Table 4 and TMI Table IV: adversarials are made on a substitute classifier, trained apart on
the same images, and shown to the victim and its detectors. The weight on HFC is tuned on the
substitute: the attacker has nothing else.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import AREAS, cells, heads, mean, printed, published
from hfc_tf.report.experiment import Table, study_results, write_experiment
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label, detector_label, model_label
from hfc_tf.study import cases
from hfc_tf.study.config import Config
from hfc_tf.study.parts import MANIFEST
from hfc_tf.study.study import Study

_NOTES = (
  "The victim's detectors learnt from the attack without HFC on the victim itself. The substitute "
  "is trained with another seed on the same Train images; the attack knows nothing of the victim.",
  "Adv. Acc is the share of AdvTest images that move the victim to the target; only these are "
  "scored. Cells are AUCs within class; in brackets the pooled ones, which the papers report.",
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
  victim = Study(dataclasses.replace(config, hfc=True).resolved())
  name = victim.config.attacks[0]
  own = cases.plain_and_hidden(victim, name)
  rows = [Row(**vars(r), victim=_name(victim), substitute=None) for r in _rows(own)]
  seed = victim.config.seed if victim.config.model_seed is None else victim.config.model_seed
  for model in substitutes or (str(victim.config.model),):
    substitute = victim.beside(
      f"substitute_{model}",
      model=model,
      model_path=None,
      model_seed=seed + 1,
      split=str(pathlib.Path(config.out) / MANIFEST),
    )
    attacks = {"attack": substitute.attack(name), **cases.hidden(substitute, name)}
    shots = {
      label: cases.shoot(victim, name, attack, None if label == "attack" else label, by=substitute)
      for label, attack in attacks.items()
    }
    case = cases.scored(victim, own.detectors, shots)
    rows += [Row(**vars(r), victim=_name(victim), substitute=model) for r in _rows(case)]
    victim.warn(*(f"Substitute {model_label(model)}: {text}" for text in substitute.warnings))
  tables = [_table(rows)]
  if published(setting="semi_white_box", dataset=victim.config.dataset):
    tables.append(_papers(victim.config.dataset))
  return write_experiment(
    config.out,
    study_results("semi_white_box", victim, begun),
    rows,
    title=f"{attack_label(name)} from a substitute",
    lead=list(_findings(rows)),
    tables=tables,
    notes=_NOTES,
  )


def _name(study: Study) -> str:
  return str(study.config.model_path or study.config.model)


def _rows(case: cases.Case) -> Iterator[DetectionRow]:
  for label in case.images:
    yield from case.rows_of(label)


def _arms(rows: Sequence[Row]) -> Mapping[tuple[str | None, str | None], list[Row]]:
  """Rows by (substitute, rule of the weight)."""
  keys = dict.fromkeys((row.substitute, row.weight_rule) for row in rows)
  return {key: [r for r in rows if (r.substitute, r.weight_rule) == key] for key in keys}


def _words(substitute: str | None, rule: str | None) -> str:
  made = "the victim itself" if substitute is None else f"a {model_label(substitute)} trained apart"
  return f"Made on {made}, {'without HFC' if rule is None else f'with HFC ({rule})'}"


def _findings(rows: Sequence[Row]) -> Iterator[str]:
  for (substitute, rule), own in _arms(rows).items():
    yield (
      f"{_words(substitute, rule)}: {percent(own[0].adv_acc, unit=True)} of the images move the "
      "victim, the detectors' mean AUC is "
      f"{percent(mean(row.auc_within_class for row in own), unit=True)}."
    )


def _table(rows: Sequence[Row]) -> Table:
  detectors = list(dict.fromkeys(row.detector for row in rows))
  body = [
    [
      "victim itself" if substitute is None else model_label(substitute),
      "–" if rule is None else f"{rule} ({own[0].hfc_weight:.3g})",
      *cells(own, detectors),
      percent(own[0].adv_acc),
    ]
    for (substitute, rule), own in _arms(rows).items()
  ]
  caption = f"{AREAS}, and the attack's success against the victim, {model_label(rows[0].victim)}."
  return Table(caption, ["Made on", "HFC", *heads(detectors), "Adv. Acc"], body)


def _papers(dataset: str) -> Table:
  names, body = ("kd", "maha", "lid", "svm", "dnn"), []
  for model in ("resnet50", "vgg16"):
    fields = {"setting": "semi_white_box", "dataset": dataset, "classifier": model}
    line = [
      *(published(**fields, detector=name, metric="auc") for name in names),
      published(**fields, metric="adv_acc"),
    ]
    for side, words in (("without", "without HFC"), ("with_hfc", "with HFC")):
      body.append([f"{model_label(model)}, {words}", *(printed(cell, side) for cell in line)])
  head = ["Victim and substitute", *map(detector_label, names), "Adv. Acc"]
  return Table("The papers: pooled AUC, percent, ε = 4/256 (TMI, Table IV).", head, body)
