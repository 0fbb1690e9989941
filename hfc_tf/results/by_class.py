"""The AUC of each class on a page: folded away, with who is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hfc_tf.evaluation.metrics import FEWEST
from hfc_tf.results.labels import (
  attack_label,
  dataset_label,
  detector_label,
  model_label,
  percent,
)
from hfc_tf.results.result import Table
from hfc_tf.results.tables import weight_label

_Form = Callable[[Any], str]
_WHICH: dict[str, tuple[str, _Form]] = {  # of whom a row is, by experiment
  "layer_name": ("Layer", str), "method": ("Method", str), "learnt_from": ("Learnt from", str),
  "model": ("Classifier", model_label), "components": ("M", str), "victim": ("Victim", model_label),
  "substitute": ("Substitute", model_label), "dataset": ("Images", dataset_label),
}  # fmt: skip


def class_tables(rows: Sequence[Any], names: Sequence[str]) -> Iterator[Table]:
  """One table, a line a class of each row of the first population; none without such rows.

  Args:
    rows: as `DetectionRow` or `LayerRow`. names: of the classes, by number.
  """
  rows = [row for row in rows if getattr(row, "by_class", None)]
  populations = [getattr(row, "population", "") for row in rows]
  rows = [row for row, each in zip(rows, populations, strict=True) if each == populations[0]]
  if not rows:
    return
  which = {field: head for field, head in _WHICH.items() if hasattr(rows[0], field)}
  body, missing = [], set()
  for row in rows:
    start = [
      detector_label(row.detector), attack_label(row.attack), f"{row.eps_256:g}", weight_label(row),
      *("–" if getattr(row, field) is None else form(getattr(row, field))
        for field, (_, form) in which.items()),
    ]  # fmt: skip
    for each in row.by_class:
      known = each.label < len(names) and getattr(row, "domain", "medical") == "medical"
      name = names[each.label] if known else str(each.label)
      missing |= {name} if each.left_out else set()
      area = "left out" if each.left_out else percent(each.auc)
      body.append([*start, name, area, str(each.n_adversarial), str(each.n_clean)])
  head = ["Detector", "Attack", "ε (1/256)", "HFC", *(head for head, _ in which.values())]
  note = (
    f"Fewer than {FEWEST} images on a side in at least one line, and left out there: "
    f"{', '.join(sorted(missing))}." if missing else ""
  )  # fmt: skip
  yield Table(
    "AUC by predicted class, percent: 100 is too high, 0 too low. The two-sided figure is the "
    "mean of max(AUC, 100 - AUC).",
    [*head, "Class", "AUC", "Adversarials", "Clean"], body, note, folded=True,
  )  # fmt: skip
