"""The rows of results.json, found by attack, detector, population and arm."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hfc_tf.report.words import attack_label, number

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Column:
  """One attack at one budget."""

  attack: str
  eps_256: float

  @property
  def label(self) -> str:
    """ "BIM, ε = 4/256"."""
    return f"{attack_label(self.attack)}, ε = {number(self.eps_256, 3)}/256"


class Rows:
  """The rows, found by attack, detector, population and arm.

  An arm is None for the attack without HFC, else its weight rule ("paper", "auto") or, where the
  weight was given, the weight.
  """

  def __init__(self, rows: Sequence[Row]) -> None:
    """Takes the rows in the order in which the page shows them."""
    self.rows = rows
    self._index: dict[tuple[Column, str, str, bool, str | None], Row] = {}
    for row in rows:
      # A row without HFC that is paired with one arm also stands for those without HFC as such.
      for arm in {_arm(row)} if row["hfc"] else {row.get("weight_rule"), None}:
        key = (self._column(row), row["detector"], _population(row), bool(row["hfc"]), arm)
        self._index.setdefault(key, row)
    self.columns = list(dict.fromkeys(map(self._column, rows)))
    self.detectors = list(dict.fromkeys(row["detector"] for row in rows))
    self.populations = list(dict.fromkeys(map(_population, rows)))
    self.arms = list(dict.fromkeys(arm for arm in map(_arm, rows) if arm is not None))

  @staticmethod
  def _column(row: Row) -> Column:
    return Column(row["attack"], row["eps_256"])

  def find(self, column: Column, detector: str, population: str, arm: str | None) -> Row:
    """The row of an arm; empty where there is none."""
    return self._index.get((column, detector, population, arm is not None, arm), {})

  def plain(self, column: Column, detector: str, population: str, arm: str | None) -> Row:
    """The row without HFC: the one paired with this arm where pairs are told apart."""
    paired = self._index.get((column, detector, population, False, arm))
    return paired or self.find(column, detector, population, None)

  def any(self, column: Column, arm: str | None) -> Row:
    """Some row of an arm, for what all its rows share: Adv. Acc, weight, step, steps."""
    for row in self.rows:
      same = not row["hfc"] if arm is None else _arm(row) == arm and row["hfc"]
      if same and self._column(row) == column:
        return row
    return {}

  def weights(self, arm: str) -> str:
    """ "1", or "0.3 for BIM, 0.4 for PGD" where they differ."""
    weights = {c: self.any(c, arm).get("hfc_weight") for c in self.columns if self.any(c, arm)}
    if len(set(weights.values())) == 1:
      return fraction(next(iter(weights.values())))
    budgets = len({column.eps_256 for column in weights}) > 1
    return ", ".join(
      f"{fraction(weight)} for {column.label if budgets else attack_label(column.attack)}"
      for column, weight in weights.items()
    )

  def arm_words(self, arm: str, column: Column | None = None) -> str:
    """ "HFC at the papers' weight (1)", for all attacks or for one."""
    one = {} if column is None else self.any(column, arm)
    weights = fraction(one.get("hfc_weight")) if one else self.weights(arm)
    rule = {"paper": "HFC at the papers’ weight", "auto": "HFC at the automatic weight"}
    return f"{rule[arm]} ({weights})" if arm in rule else f"HFC at {arm}"


def _population(row: Row) -> str:
  return str(row.get("population") or "successful")


def _arm(row: Row) -> str | None:
  if row["hfc"] and row.get("weight_rule"):
    return str(row["weight_rule"])
  return f"weight {fraction(row.get('hfc_weight'))}" if row["hfc"] else None


def fraction(value: float | None) -> str:
  """A small number as it is: 0.3, 1."""
  return "–" if value is None else f"{value:.3g}"


def percent(value: float | None, digits: int = 1, unit: bool = False) -> str:
  """A fraction in percent, a dash where there is none."""
  return "–" if value is None else f"{100 * value:.{digits}f}" + ("\u202f%" if unit else "")
