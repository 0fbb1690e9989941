"""Does a larger budget help to hide? Detection over eps, by backbone.

MICCAI Fig. 3(b) and TMI Fig. 5: AUCs of the detectors over the L-infinity budget, solid without and
dotted with HFC, on ResNet-50 and VGG-16.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

from hfc_tf.errors import InputError
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import hiding_study, labelled_rows
from hfc_tf.report import arms
from hfc_tf.report.experiment import Section, Table, write_study
from hfc_tf.report.figures import Figure
from hfc_tf.report.words import attack_label, model_label, number
from hfc_tf.study import cases
from hfc_tf.study.config import Config

FRACTIONS = (0.25, 0.5, 1.0, 2.0)  # of --eps, where no budgets are given
_NOTES = (
  "At every budget the detectors learn anew from the attack without HFC at that budget. The number "
  "of steps is the same at all of them; the step grows with the budget.",
  f"{arms.CELLS} The papers print no figures of these curves.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row(DetectionRow):
  """One detector against one arm at one budget, on one backbone."""

  model: str


def run(
  config: Config, models: Sequence[str] = (), budgets_256: Sequence[float] = ()
) -> dict[str, Any]:
  """Attacks every backbone at every budget and writes the report into config.out.

  Args:
    config: its first attack is made without and with HFC.
    models: keys of MODELS; none: that of `config`.
    budgets_256: values of eps in 1/256; none: a quarter, half, once and twice config's.

  Returns:
    What results.json holds.
  """
  begun = time.monotonic()
  study, name = hiding_study(config)
  eps = float(study.config.eps_256 or 0)
  budgets = sorted(budgets_256) or [fraction * eps for fraction in FRACTIONS]
  rows: list[Row] = []
  for model in models or [str(study.config.model)]:
    same = model == study.config.model
    own = study if same else study.beside(model, model=model, model_path=None)
    start = 1.0
    for budget in budgets:
      try:
        case = cases.plain_and_hidden(own, name, eps=budget / 256, start=start)
      except InputError as error:  # too few adversarials for detectors to learn from
        study.warn(f"{model_label(model)} at {number(budget, 3)}/256 is left out: {error}")
        continue
      start = case.auto or start
      rows += [Row(**row, model=model) for _, row in labelled_rows(case)]
    study.warn(*(f"{model_label(model)}: {warning}" for warning in own.warnings if not same))
  by_model = [(model_label(model), own) for (model,), own in arms.grouped(rows, "model").items()]
  return write_study("budget", study, begun, rows, Section(
    f"Hiding {attack_label(name)} in larger and larger budgets",
    [sentence for model, own in by_model for sentence in _findings(model, own)],
    [_table(model, own) for model, own in by_model],
    [_figure(model, own) for model, own in by_model],
    _NOTES,
  ))  # fmt: skip


def _findings(model: str, rows: Sequence[Row]) -> Iterator[str]:
  """Per arm, the detectors' mean AUC at the smallest and at the largest budget."""
  found = arms.grouped(rows, "weight_rule", "eps_256")
  ends = [pick(eps for _, eps in found) for pick in (min, max)]
  for rule in dict.fromkeys(rule for rule, _ in found):
    first, last = (
      f"{arms.mean_area(found.get((rule, eps), []))} at {number(eps, 3)}/256" for eps in ends
    )
    words = f"{model}, {arms.with_hfc(rule)}: the detectors' mean AUC goes"
    yield f"{words} from {first} to {last}."


def _table(model: str, rows: Sequence[Row]) -> Table:
  return arms.detector_table(f"{arms.AREAS}, over the budget, on {model}.", rows, {
    "ε (1/256)": lambda row: f"{row.eps_256:g}",
    "HFC": lambda row: arms.with_hfc(row.weight_rule),
  })  # fmt: skip


def _figure(model: str, rows: Sequence[Row]) -> Figure:
  places = {eps: place for place, eps in enumerate(sorted({row.eps_256 for row in rows}))}
  return arms.area_chart(
    f"budget_{rows[0].model}", f"Detection over the budget, {model}", rows, "eps_256", places,
    x_label="ε (1/256)", x_ticks={place: number(eps, 3) for eps, place in places.items()},
    alt=" ".join(_findings(model, rows)), marker="o",
  )  # fmt: skip
