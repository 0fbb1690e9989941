"""The result of the main experiment in plain words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hfc_tf.results.labels import attack_label, budget, detector_label, fraction, percent
from hfc_tf.results.tables import grouped

_CAUGHT = 0.95  # a within-class AUC from which on a detector counts as noticing the attack
_SEEN = 0.75  # and above which the attack does not count as hidden from it
_RULES = {"paper": "HFC at the papers’ weight", "auto": "HFC at the automatic weight"}


def verdict(rows: Sequence[Any]) -> list[str]:
  """The result in plain words, sentence by sentence, from the first population's rows.

  Args:
    rows: as `DetectionRow`, one a detector, attack and population.
  """
  if not rows:
    return ["There are no rows to report."]
  rows = [row for row in rows if row.population == rows[0].population]
  plain = grouped((row for row in rows if not row.hfc), "attack", "eps_256")
  areas = {key: _areas(group) for key, group in plain.items()}
  silent = _names([f"{attack_label(name)}, {budget(eps)}" for (name, eps), x in areas.items()
                   if not x])  # fmt: skip
  sentences = [f"Without HFC, {silent} reached no target: nothing to detect."] if silent else []
  met = {attack_label(name): x for (name, _), x in areas.items() if x}
  if met:
    count = len({row.detector for row in rows})
    sentences.append(
      f"Without HFC, {_caught(met.values()) or 'none'} of {count} detectors "
      f"tell images attacked by {_names(list(met))} from clean ones of the same predicted class "
      f"with an AUC of at least {percent(_CAUGHT, 0, unit=True)}."
    )
  hidden = grouped((row for row in rows if row.hfc), "weight_rule")
  return sentences + [text for (rule,), x in hidden.items() for text in _with_hfc(rule, x)]


def rule_label(rule: str, rows: Iterable[Any]) -> str:
  """ "HFC at the papers’ weight (1)", "(0.3 for BIM, 0.4 for PGD)" where attacks differ."""
  weights = {attack_label(row.attack): fraction(row.hfc_weight) for row in rows}
  each = ", ".join(f"{weight} for {name}" for name, weight in weights.items())
  one = next(iter(weights.values())) if len(set(weights.values())) == 1 else each
  return f"{_RULES[rule]} ({one})" if rule in _RULES else f"HFC at {rule}"


def _areas(rows: Iterable[Any]) -> dict[str, float]:
  """Within-class AUC per detector, for the detectors that have one."""
  return {r.detector: r.auc_within_class for r in rows if r.auc_within_class is not None}


def _caught(areas: Iterable[Mapping[str, float]]) -> str:
  """How many detectors notice, as a span over the attacks; empty where none does."""
  counts = [sum(area >= _CAUGHT for area in each.values()) for each in areas]
  low, high = min(counts), max(counts)
  return "" if high == 0 else str(low) if low == high else f"{low} to {high}"


def _with_hfc(rule: str, rows: Sequence[Any]) -> Iterator[str]:
  label = rule_label(rule, rows)
  areas = [_areas(group) for group in grouped(rows, "attack", "eps_256").values()]
  scored = [(area, detector) for each in areas for detector, area in each.items()]
  if not scored:
    yield f"With {label}, no target was reached."
    return
  accuracies = [row.adv_acc or 0.0 for row in rows]
  low, high = percent(min(accuracies), 0), percent(max(accuracies), 0)
  reached = low if low == high else f"{low} to {high}"
  caught = _caught(each for each in areas if each)
  (worst, lowest), (best, highest) = min(scored), max(scored)
  yield (
    f"With {label}, {f'{caught} still do' if caught else 'none does'}: AUCs run from "
    f"{percent(worst, 0, unit=True)} ({detector_label(lowest)}) to {percent(best, 0, unit=True)} "
    f"({detector_label(highest)}), and {'only ' if max(accuracies) < 0.5 else ''}{reached}\u202f% "
    "of the attacked images reach their target."
  )
  tops = dict(sorted((detector, area) for area, detector in scored))
  seen = sorted(((area, d) for d, area in tops.items() if area > _SEEN), reverse=True)
  if seen:
    names = _names([f"{detector_label(d)} ({percent(area, unit=True)})" for area, d in seen])
    yield (
      f"At this weight HFC does not hide from {names}: an AUC above {percent(_SEEN, 0, unit=True)}."
    )
  backwards = dict.fromkeys(detector for area, detector in scored if area <= 1 - _CAUGHT)
  if backwards:
    yield (
      f"Read the other way round, {_names([detector_label(d) for d in backwards])} would still "
      "give the attack away: hidden images score lower than clean ones (column two-sided)."
    )


def _names(names: Sequence[str]) -> str:
  """ "A, B and C"."""
  names = list(dict.fromkeys(names))
  return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
