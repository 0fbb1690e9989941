"""Does a larger budget help to hide? Detection over eps, by backbone.

MICCAI Fig. 3(b) and TMI Fig. 5: AUCs of the detectors over the L-infinity budget, solid without and
dotted with HFC, on ResNet-50 and VGG-16.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from hfc_tf.errors import InputError
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import AREAS, COLORS, cells, heads, mean
from hfc_tf.report.charts import Line, line_chart
from hfc_tf.report.experiment import Table, study_results, write_experiment
from hfc_tf.report.figures import Figure
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label, detector_label, model_label, number
from hfc_tf.study import cases
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

FRACTIONS = (0.25, 0.5, 1.0, 2.0)  # of --eps, where no budgets are given
_NOTES = (
  "At every budget the detectors learn anew from the attack without HFC at that budget. The number "
  "of steps is the same at all of them; the step grows with the budget.",
  "Cells are AUCs within class; in brackets the pooled ones, which the papers report. The papers "
  "print no figures of these curves.",
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
  study = Study(dataclasses.replace(config, hfc=True).resolved())
  name, eps = study.config.attacks[0], float(study.config.eps_256 or 0)
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
      rows += [
        Row(**vars(row), model=model) for label in case.images for row in case.rows_of(label)
      ]
    study.warn(*(f"{model_label(model)}: {warning}" for warning in own.warnings if not same))
  return write_experiment(
    config.out,
    study_results("budget", study, begun),
    rows,
    title=f"Hiding {attack_label(name)} in larger and larger budgets",
    lead=_findings(rows),
    tables=[_table(rows, model) for model in dict.fromkeys(row.model for row in rows)],
    figures=[_figure(rows, model) for model in dict.fromkeys(row.model for row in rows)],
    notes=_NOTES,
  )


def _arms(rows: Sequence[Row]) -> list[str | None]:
  return list(dict.fromkeys(row.weight_rule for row in rows))


def _words(rule: str | None) -> str:
  return "without HFC" if rule is None else f"with HFC ({rule})"


def _findings(rows: Sequence[Row]) -> list[str]:
  """Per backbone and arm, the detectors' mean AUC at the smallest and at the largest budget."""
  sentences = []
  for model in dict.fromkeys(row.model for row in rows):
    own = [row for row in rows if row.model == model]
    budgets = sorted({row.eps_256 for row in own})
    for rule in _arms(own):
      ends = [
        mean(r.auc_within_class for r in own if (r.eps_256, r.weight_rule) == (eps, rule))
        for eps in (budgets[0], budgets[-1])
      ]
      sentences.append(
        f"{model_label(model)}, {_words(rule)}: the detectors' mean AUC goes from "
        f"{percent(ends[0], unit=True)} at {number(budgets[0], 3)}/256 to "
        f"{percent(ends[1], unit=True)} at {number(budgets[-1], 3)}/256."
      )
  return sentences


def _table(rows: Sequence[Row], model: str) -> Table:
  own = [row for row in rows if row.model == model]
  detectors = list(dict.fromkeys(row.detector for row in own))
  body = []
  for eps, rule in dict.fromkeys((row.eps_256, row.weight_rule) for row in own):
    arm = [row for row in own if (row.eps_256, row.weight_rule) == (eps, rule)]
    body.append([
      number(eps, 3), _words(rule), *cells(arm, detectors), percent(arm[0].adv_acc),
    ])  # fmt: skip
  head = ["ε (1/256)", "HFC", *heads(detectors), "Adv. Acc"]
  return Table(f"{AREAS}, over the budget, on {model_label(model)}.", head, body)


def _figure(rows: Sequence[Row], model: str) -> Figure:
  own = [row for row in rows if row.model == model]
  budgets = sorted({row.eps_256 for row in own})
  hidden = [rule for rule in _arms(own) if rule is not None]
  lines = []
  for rule, style in ((None, "-"), (hidden[-1] if hidden else "auto", ":")):
    for name in dict.fromkeys(row.detector for row in own):
      area = {
        row.eps_256: row.auc_within_class
        for row in own
        if (row.detector, row.weight_rule) == (name, rule) and row.auc_within_class is not None
      }
      label = detector_label(name) + ("" if rule is None else " with HFC")
      places = [i for i, eps in enumerate(budgets) if eps in area]
      values = [100 * area[budgets[i]] for i in places]
      lines.append(Line(label, places, values, COLORS[name], style, "o"))
  return line_chart(
    f"budget_{model}",
    f"Detection over the budget, {model_label(model)}",
    lines,
    x_label="ε (1/256)",
    y_label="AUC within class (%)",
    x_ticks={i: number(eps, 3) for i, eps in enumerate(budgets)},
    y_range=(0, 101),
    level=50,
    alt=" ".join(s for s in _findings(own)),
    caption="Solid without, dotted with HFC (the last of its weights); 50 % is guessing.",
  )
