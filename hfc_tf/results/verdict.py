"""The result of an experiment in plain words, judged two-sided by intervals."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from hfc_tf.results.claims_base import FORMS
from hfc_tf.results.labels import attack_label, budget, detector_label, fraction, percent, share
from hfc_tf.results.tables import grouped

_RULES = {
  "paper": "HFC at the papers’ weight", "auto": "HFC at the automatic weight",
  "balanced": "HFC balanced image by image",
}  # fmt: skip


def verdict(rows: Sequence[Any]) -> list[str]:
  """The result in plain words, a sentence for each weight of HFC, from the first population's rows.

  A detector sees an attack where the interval of its two-sided AUC within class, the mean over
  classes of max(A_c, 1 - A_c), lies above 0.5; "none" is said where no interval of any does.

  Args:
    rows: as `DetectionRow`, one a detector, attack and population.
  """
  if not rows:
    return ["There are no rows to report."]
  rows = [row for row in rows if row.population == rows[0].population]
  by_rule = grouped(rows, "weight_rule").items()
  return [text for (rule,), group in by_rule for text in _of_rule(rule, group)]


def headline(rows: Sequence[Any]) -> list[str]:
  """What a false alarm rate of 10 % buys without and with HFC, in the words of who runs a detector.

  That the attack is too weak to judge by comes first. Of several weights on HFC one is named:
  balanced, else the papers', else the automatic one, else the first.

  Args:
    rows: as `DetectionRow`, of adversarials that reach their target.
  """
  weak, lines = [], []
  for (attack, eps), group in grouped(rows, "attack", "eps_256").items():
    name = attack_label(attack)
    if all(row.adv_acc < 0.5 for row in group):
      weak.append(
        f"{name} is too weak at {budget(eps)} to judge detectors by: {share(group[0].adv_acc)} of "
        "the images reach their target. Raise --eps or --steps."
      )
    forms = [each for each in grouped(group, "weight_rule").values() if _caught(each)]
    lines += [_of_best(name, each, group) for each in forms if not each[0].hfc]
    hidden = {each[0].weight_rule: each for each in forms if each[0].hfc}
    if hidden:  # one form, by a rule that looks at no result
      rule = next((form for form in FORMS if form in hidden), next(iter(hidden)))
      lines.append(_of_best(name, hidden[rule], group))
  return weak + lines


def _caught(rows: Sequence[Any]) -> list[Any]:
  """The rows with a share that is caught at 10 % false alarms, the largest first."""
  scored = (row for row in rows if row.tpr_at_90_tnr is not None)
  return sorted(scored, key=lambda row: -row.tpr_at_90_tnr)


def _of_best(name: str, rows: Sequence[Any], group: Sequence[Any]) -> str:
  """What the best detector catches of one form of an attack, and who loses most to HFC."""
  row = _caught(rows)[0]
  form = f"with {rule_label(row.weight_rule, rows)}" if row.hfc else "without HFC"
  text = (
    f"{name} {form} moves {share(row.adv_acc, 0)} of the images to their target; at 10\u202f% "
    f"false alarms the best of {len(rows)} detectors, {detector_label(row.detector)}, catches "
    f"{share(row.tpr_at_90_tnr, 0)} of these, and {share(row.evasion_rate, 0)} of all images evade "
    "it."
  )
  before = {each.detector: each.tpr_at_90_tnr for each in _caught(group) if not each.hfc}
  falls = {each.detector: before[each.detector] - each.tpr_at_90_tnr for each in _caught(rows)
           if each.hfc and each.detector in before}  # fmt: skip
  name = max(falls, key=falls.__getitem__, default="")
  if name and falls[name] > 0:
    ends = share(before[name], 0), share(before[name] - falls[name], 0)
    text += f" {detector_label(name)} falls from {ends[0]} caught to {ends[1]}."
  return text


def rule_label(rule: str, rows: Iterable[Any]) -> str:
  """ "HFC at the papers’ weight (1)", "(0.3 for BIM, 0.4 for PGD)" where attacks differ."""
  if rule not in _RULES:
    return f"HFC at {rule}"
  if rule == "balanced":
    return _RULES[rule]
  weights = {attack_label(row.attack): fraction(row.hfc_weight) for row in rows}
  each = ", ".join(f"{weight} for {name}" for name, weight in weights.items())
  return f"{_RULES[rule]} ({each if len(set(weights.values())) > 1 else each.split()[0]})"


def best(rows: Iterable[Any], label: Callable[[Any], str]) -> str:
  """Who sees most of the rows with a figure: "MAHA, 98.0 % [95–100, n = 90], scores too low".

  Args:
    rows: as `DetectionRow` or `LayerRow`. label: the name of who stands in a row.
  """
  scored = (row for row in rows if row.auc_within_class_two_sided is not None)
  row = max(scored, key=lambda row: row.auc_within_class_two_sided)
  area = row.auc_within_class_two_sided
  low, high = row.auc_within_class_two_sided_low, row.auc_within_class_two_sided_high
  gaps = [each.auc - 0.5 for each in row.by_class if each.auc is not None]
  above = {gap > 0 for gap in gaps if abs(gap) >= max((area - 0.5) / 2, 1e-9)}
  sides = {
    (): "", (True,): ", scores too high", (False,): ", scores too low",
    (False, True): ", scores too high in some classes, too low in others",
  }  # fmt: skip
  figure = f"{share(area)} [{percent(low, 0)}–{percent(high, 0)}, n = {row.n_adversarial}]"
  return f"{label(row)}, {figure}{sides[tuple(sorted(above))]}"


def _of_rule(rule: str | None, rows: Sequence[Any]) -> Iterator[str]:
  """Without HFC, or with it at one weight."""
  label = "Without HFC" if rule is None else f"With {rule_label(rule, rows)}"
  groups = grouped(rows, "attack", "eps_256")
  names = {key: attack_label(key[0]) for key in groups}
  silent = [f"{names[key]}, {budget(key[1])}"
            for key, group in groups.items() if not group[0].n_adversarial]  # fmt: skip
  few = {key for key, group in groups.items()
         if group[0].n_adversarial and _none_scored(group)}  # fmt: skip
  met = {key: group for key, group in groups.items() if not _none_scored(group)}
  if silent:
    yield f"{label}, {_names(silent)} reached no target: nothing to detect."
  if few:
    yield (
      f"{label}, the images that {_names(names[key] for key in few)} moves are too few to judge "
      "detectors by: no class has 20 on both sides."
    )
  if not met:
    return
  shown = [row for group in met.values() for row in group]
  counts = [sum(_sees(row) for row in group) for group in met.values()]
  detectors = len({row.detector for row in shown})
  span = " to ".join(dict.fromkeys(map(str, (min(counts), max(counts)))))
  several = len(met) > 1
  most = best(shown, lambda row: detector_label(row.detector)
              + (f" on {attack_label(row.attack)}" if several else ""))  # fmt: skip
  accuracies = [row.adv_acc or 0.0 for row in shown]
  reached = " to ".join(dict.fromkeys(percent(f(accuracies), 0) for f in (min, max)))
  attacked = (
    f"{label}, {'only ' if max(accuracies) < 0.5 else ''}{reached}\u202f% of the images attacked "
    f"by {_names(names[key] for key in met)} reach their target"
  )
  if max(counts):
    see = "sees" if span == "1" else "see"
    yield f"{attacked}; {span} of {detectors} detectors {see} them, most of all {most}."
  else:
    yield f"{attacked}; none of {detectors} detectors sees them, the nearest is {most}."


def _none_scored(rows: Iterable[Any]) -> bool:
  return all(row.auc_within_class_two_sided is None for row in rows)


def _sees(row: Any) -> bool:
  """Whether a detector's interval excludes one half."""
  low = row.auc_within_class_two_sided_low
  return low is not None and low > 0.5


def _names(names: Iterable[str]) -> str:
  """ "A, B and C"."""
  *first, last = dict.fromkeys(names)
  return f"{', '.join(first)} and {last}" if first else last
