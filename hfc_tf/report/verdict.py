"""The result in plain words."""

from collections.abc import Iterable, Iterator, Sequence

from hfc_tf.report.rows import Column, Rows, percent
from hfc_tf.report.words import attack_label, detector_label

_CAUGHT = 0.95  # a within-class AUC from which on a detector counts as noticing the attack
_SEEN = 0.75  # and above which the attack does not count as hidden from it


def verdict(rows: Rows) -> list[str]:
  """The result in plain words, sentence by sentence, from the first population's rows."""
  areas = {column: _areas(rows, column, None) for column in rows.columns}
  silent = _names([column.label for column, found in areas.items() if not found])
  sentences = [f"Without HFC, {silent} reached no target: nothing to detect."] if silent else []
  met = [column for column, found in areas.items() if found]
  if met:
    attacks = _names([attack_label(column.attack) for column in met])
    sentences.append(
      f"Without HFC, {_caught(areas[c] for c in met) or 'none'} of {len(rows.detectors)} detectors "
      f"tell images attacked by {attacks} from clean ones of the same predicted class "
      f"with an AUC of at least {percent(_CAUGHT, 0, unit=True)}."
    )
  return sentences + [sentence for arm in rows.arms for sentence in _arm_verdict(rows, arm)]


def _areas(rows: Rows, column: Column, arm: str | None) -> dict[str, float]:
  """Within-class AUC per detector, for the detectors that have one."""
  population = rows.populations[0]
  found = {
    detector: rows.find(column, detector, population, arm).get("auc_within_class")
    for detector in rows.detectors
  }
  return {detector: area for detector, area in found.items() if area is not None}


def _caught(areas: Iterable[dict[str, float]]) -> str:
  """How many detectors notice, as a span over the attacks; empty where none does."""
  counts = [sum(area >= _CAUGHT for area in found.values()) for found in areas]
  low, high = min(counts), max(counts)
  return "" if high == 0 else str(low) if low == high else f"{low} to {high}"


def _arm_verdict(rows: Rows, arm: str) -> Iterator[str]:
  areas = {column: _areas(rows, column, arm) for column in rows.columns if rows.any(column, arm)}
  scored = [(area, detector) for found in areas.values() for detector, area in found.items()]
  words = rows.arm_words(arm)
  if not scored:
    yield f"With {words}, no target was reached."
    return
  accuracies = [rows.any(column, arm).get("adv_acc") or 0.0 for column in areas]
  low, high = percent(min(accuracies), 0), percent(max(accuracies), 0)
  reached = low if low == high else f"{low} to {high}"
  caught = _caught(found for found in areas.values() if found)
  (worst, lowest), (best, highest) = min(scored), max(scored)
  yield (
    f"With {words}, {f'{caught} still do' if caught else 'none does'}: AUCs run from "
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
