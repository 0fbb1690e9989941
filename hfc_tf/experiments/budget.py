"""Does a larger budget help to hide? Detection over eps, by backbone.

MICCAI Fig. 3(b) and TMI Fig. 5: AUCs of the detectors over the L-infinity budget, solid without and
dotted with HFC, on ResNet-50 and VGG-16.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

from hfc_tf.errors import InputError
from hfc_tf.experiments.common import budgets, fixed, hfc_study, labelled_rows, study_result
from hfc_tf.results import tables
from hfc_tf.results.figures import LineChart
from hfc_tf.results.labels import attack_label, hfc_label, model_label, number
from hfc_tf.results.result import Result, Table
from hfc_tf.results.rows import BudgetRow, PairRow
from hfc_tf.study import comparison, pairs
from hfc_tf.study.config import Config
from hfc_tf.study.setting import backbones

FRACTIONS = (0.25, 0.5, 1.0, 2.0)  # of --eps, where no budgets are given
_NOTES = (
  "At every budget the detectors learn anew from the attack without HFC. "
  f"{tables.CELLS} The papers print no figures of these curves.",
)


def run(config: Config, models: Sequence[str] = (), budgets_256: Sequence[float] = ()) -> Result:
  """Attacks every backbone at every budget.

  Args:
    config: its first attack is made without and with HFC.
    models: keys of MODELS; none: that of `config`, in the papers' setting both backbones.
    budgets_256: values of eps in 1/256; none: a quarter, half, once and twice config's.
  """
  models = models or backbones(config)
  if models and not config.model_path:
    config = dataclasses.replace(config, model=models[0])
  study, name = hfc_study(config, budgets_256)
  wanted = budgets(study, budgets_256, FRACTIONS)
  rows: list[BudgetRow] = []
  paired: list[PairRow] = []
  given = pathlib.Path(study.config.model_path or str(study.config.model)).name
  for model in models or [given]:
    same = model == given
    victim = study if same else study.beside(model, model=model, model_path=None)
    start, by_budget = 1.0, dict[float, comparison.Comparison]()
    for budget in wanted:
      try:
        compared = comparison.compare(victim, name, eps=budget / 256, start=start)
      except InputError as error:  # too few adversarials for detectors to learn from
        study.warn(f"{model_label(model)} at {number(budget, 3)}/256 is left out: {error}")
        continue
      start = compared.auto_weight or start
      by_budget[budget] = compared
      rows += [BudgetRow(**row, model=model) for _, row in labelled_rows(compared)]
    paired += over_budget(model, by_budget)
    study.warn(*(f"{model_label(model)}: {warning}" for warning in victim.warnings if not same))
  by_model = tables.grouped(rows, "model").values()
  return study_result(
    "budget", study, rows, {"pairs": paired},
    title=f"Hiding {attack_label(name)} in larger and larger budgets",
    lead=[_finding(group) for group in by_model], tables=[_table(group) for group in by_model],
    figures=[_figure(group, pooled) for group in by_model for pooled in (False, True)],
    notes=[*_NOTES, fixed(study.config)],
  )  # fmt: skip


def over_budget(model: str, by_budget: dict[float, comparison.Comparison]) -> Iterator[PairRow]:
  """The largest budget less the smallest, without HFC and in one form of it."""
  if len(by_budget) < 2:
    return
  least, most = min(by_budget), max(by_budget)
  for label in ("attack", pairs.form_of_hfc(by_budget[most])):
    if label in by_budget[least].results and label in by_budget[most].results:
      yield from pairs.pair(
        "budget", (by_budget[most], label), (by_budget[least], label), model=model,
        hfc=label != "attack", first_eps_256=most, second_eps_256=least,
      )  # fmt: skip


def _finding(rows: Sequence[BudgetRow]) -> str:
  ends = [pick(row.eps_256 for row in rows) for pick in (min, max)]
  return tables.means(
    (row for row in rows if row.eps_256 in ends),
    lambda row: f"{hfc_label(row.weight_rule)} at {number(row.eps_256, 3)}/256",
    f"two-sided AUC within class of the detectors on {model_label(rows[0].model)}",
  )


def _table(rows: Sequence[BudgetRow]) -> Table:
  return tables.detector_table(
    f"{tables.AREAS}, over the budget, on {model_label(rows[0].model)}.", rows,
    {"ε (1/256)": lambda row: f"{row.eps_256:g}", "HFC": lambda row: hfc_label(row.weight_rule)},
  )  # fmt: skip


def _figure(rows: Sequence[BudgetRow], pooled: bool) -> LineChart:
  places = {eps: place for place, eps in enumerate(sorted({row.eps_256 for row in rows}))}
  name = rows[0].model if rows[0].model.isidentifier() else "given"  # of a file
  return tables.area_chart(
    f"budget_{name}", f"Detection over the budget, {model_label(rows[0].model)}", rows,
    "eps_256", places, x_label="ε (1/256)",
    x_ticks={place: number(eps, 3) for eps, place in places.items()},
    marker="o", pooled=pooled,
  )  # fmt: skip
