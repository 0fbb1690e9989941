"""The result of the main experiment in plain words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hfc_tf.results.labels import attack_label, budget, detector_label, fraction, percent, share
from hfc_tf.results.tables import grouped

_CAUGHT = 0.95  # a within-class AUC from which on a detector counts as noticing the attack
_SEEN = 0.75  # and above which the attack does not count as hidden from it
_RULES = {
  "paper": "HFC at the papers’ weight", "auto": "HFC at the automatic weight",
  "balanced": "HFC balanced image by image",
}  # fmt: skip


def verdict(rows: Sequence[Any]) -> list[str]:
  """The result in plain words, sentence by sentence, from the first population's rows.

  Args:
    rows: as `DetectionRow`, one a detector, attack and population.
  """
  if not rows:
    return ["There are no rows to report."]
  rows = [row for row in rows if row.population == rows[0].population]
  plain = grouped((row for row in rows if not row.hfc), "attack", "eps_256").items()
  seen = {(attack_label(name), eps): _areas(group) for (name, eps), group in plain}
  silent = [f"{name}, {budget(eps)}" for (name, eps), areas in seen.items() if not areas]
  met = {name: areas for (name, _), areas in seen.items() if areas}
  sentences = []
  if silent:
    sentences.append(f"Without HFC, {_names(silent)} reached no target: nothing to detect.")
  if met:
    sentences.append(
      f"Without HFC, {_caught(met.values()) or 'none'} of {len({row.detector for row in rows})} "
      f"detectors tell images attacked by {_names(met)} from clean ones of the same predicted "
      f"class with an AUC of at least {share(_CAUGHT, 0)}."
    )
  hidden = grouped((row for row in rows if row.hfc), "weight_rule")
  return sentences + [text for (rule,), group in hidden.items() for text in _with_hfc(rule, group)]


def rule_label(rule: str, rows: Iterable[Any]) -> str:
  """ "HFC at the papers’ weight (1)", "(0.3 for BIM, 0.4 for PGD)" where attacks differ."""
  if rule not in _RULES:
    return f"HFC at {rule}"
  if rule == "balanced":
    return _RULES[rule]
  weights = {attack_label(row.attack): fraction(row.hfc_weight) for row in rows}
  each = ", ".join(f"{weight} for {name}" for name, weight in weights.items())
  return f"{_RULES[rule]} ({each if len(set(weights.values())) > 1 else each.split()[0]})"


def _with_hfc(rule: str, rows: Sequence[Any]) -> Iterator[str]:
  label = rule_label(rule, rows)
  areas = [each for group in grouped(rows, "attack", "eps_256").values() if (each := _areas(group))]
  scored = sorted((area, detector) for each in areas for detector, area in each.items())
  if not scored:
    yield f"With {label}, no target was reached."
    return
  accuracies = [row.adv_acc or 0.0 for row in rows]
  reached = " to ".join(dict.fromkeys(percent(f(accuracies), 0) for f in (min, max)))
  caught = _caught(areas)
  (worst, lowest), *_, (best, highest) = scored * 2
  yield (
    f"With {label}, {f'{caught} still do' if caught else 'none does'}: AUCs run from "
    f"{share(worst, 0)} ({detector_label(lowest)}) to {share(best, 0)} "
    f"({detector_label(highest)}), and {'only ' if max(accuracies) < 0.5 else ''}{reached}"
    "\u202f% of the attacked images reach their target."
  )
  tops = {detector: area for area, detector in scored if area > _SEEN}
  if tops:
    names = _names(f"{detector_label(d)} ({share(area)})" for d, area in
                   sorted(tops.items(), key=lambda each: -each[1]))  # fmt: skip
    yield f"At this weight HFC does not hide from {names}: an AUC above {share(_SEEN, 0)}."
  backwards = [detector_label(detector) for area, detector in scored if area <= 1 - _CAUGHT]
  if backwards:
    yield (
      f"Read the other way round, {_names(backwards)} would still give the attack away: hidden "
      "images score lower than clean ones (column two-sided)."
    )


def _areas(rows: Iterable[Any]) -> dict[str, float]:
  """Within-class AUC per detector, for the detectors that have one."""
  return {r.detector: r.auc_within_class for r in rows if r.auc_within_class is not None}


def _caught(areas: Iterable[Mapping[str, float]]) -> str:
  """How many detectors notice, as a span over the attacks; empty where none does."""
  counts = [sum(area >= _CAUGHT for area in each.values()) for each in areas]
  spans = dict.fromkeys(map(str, (min(counts), max(counts))))
  return " to ".join(spans) if max(counts) else ""


def _names(names: Iterable[str]) -> str:
  """ "A, B and C"."""
  *first, last = dict.fromkeys(names)
  return f"{', '.join(first)} and {last}" if first else last
