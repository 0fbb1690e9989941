"""The papers' claims, and the rule by which each is confirmed: written before any data are seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hfc_tf.results.labels import ADAPTIVE_METHODS, KNOWING, number, percent
from hfc_tf.results.tables import MAIN, mean

Results = Mapping[str, Any]
Row = Mapping[str, Any]
Verdict = tuple[bool, str]


@dataclasses.dataclass(frozen=True)
class Claim:
  """One claim.

  Attributes:
    text: the claim. source: where the papers make it.
    experiment: whose results decide.
    rule: when it counts as confirmed.
    judge: (whether the rule holds, the numbers), None where the results cannot tell.
  """

  text: str
  source: str
  experiment: str
  rule: str
  judge: Callable[[Results], Verdict | None]


def verdicts(results: Mapping[str, Results]) -> list[dict[str, Any]]:
  """Each claim with "confirmed", "not confirmed" or "not tested", and the numbers.

  Args:
    results: what results.json holds, by experiment.
  """
  lines = []
  for claim in CLAIMS:
    given = results.get(claim.experiment)
    judged = None if given is None else claim.judge(given)
    verdict = "not tested" if judged is None else "confirmed" if judged[0] else "not confirmed"
    lines.append({
      "claim": claim.text, "source": claim.source, "experiment": claim.experiment,
      "rule": claim.rule, "verdict": verdict, "numbers": "" if judged is None else judged[1],
    })  # fmt: skip
  return lines


def _areas(rows: Iterable[Row], name: str = "auc_within_class") -> list[float]:
  return [row[name] for row in rows if row.get(name) is not None]


def _joined(judged: Sequence[Verdict], enough: Callable[[Iterable[bool]], bool]) -> Verdict | None:
  """The verdict on several weights or backbones."""
  if not judged:
    return None
  return enough(holds for holds, _ in judged), "; ".join(numbers for _, numbers in judged)


def _by_rule(results: Results) -> dict[str | None, list[Row]]:
  """Rows of successful adversarials by the rule of the weight on HFC."""
  rows = [row for row in results["rows"] if row.get("population", "successful") == "successful"]
  return {
    rule: [row for row in rows if row["weight_rule"] == rule]
    for rule in dict.fromkeys(row["weight_rule"] for row in rows)
  }


def _vulnerable(results: Results) -> Verdict | None:
  ratios = {
    domain: mean(row["ratio"] for row in results["rows"] if row["domain"] == domain)
    for domain in ("medical", "natural")
  }
  medical, natural = ratios["medical"], ratios["natural"]
  if medical is None or natural is None:
    return None
  ours, theirs = percent(medical, unit=True), percent(natural, unit=True)
  numbers = f"features change by {ours} against {theirs}"
  return medical >= 1.5 * natural, numbers


def _smallest(results: Results) -> Verdict | None:
  medical, natural = (results["smallest_eps_256"][name] for name in ("medical", "natural"))
  if medical is None or natural is None:
    return None
  numbers = f"{number(medical, 3)}/256 against {number(natural, 3)}/256"
  return natural >= 2 * medical, numbers


def _direction(results: Results) -> Verdict | None:
  cosines = _areas((row for row in results["rows"] if row["kind"] == "pair"), "cosine")
  signs = _areas((row for row in results["rows"] if row["kind"] == "gradient"), "same_sign")
  if not cosines or not signs:
    return None
  numbers = (
    f"mean cosine of two attacks' changes {sum(cosines) / len(cosines):.2f}; the least share of "
    f"gradients that keep their sign {percent(min(signs), unit=True)}"
  )
  return sum(cosines) / len(cosines) >= 0.5 and min(signs) >= 0.999, numbers


def _seen(results: Results) -> Verdict | None:
  # Bayesian uncertainty sees little in the papers too.
  areas = _areas(row for row in _by_rule(results).get(None, []) if row["detector"] in MAIN)
  if not areas:
    return None
  return min(areas) >= 0.95, f"AUCs without HFC from {percent(min(areas), unit=True)}"


def _hidden(results: Results) -> Verdict | None:
  judged = []
  for rule, rows in _by_rule(results).items():
    areas = _areas(rows)
    if rule is not None and areas:
      least = min(row["adv_acc"] for row in rows)
      numbers = (
        f"{rule}: AUCs up to {percent(max(areas), unit=True)}, Adv. Acc {percent(least, unit=True)}"
      )
      judged.append((max(areas) <= 0.85 and least >= 0.9, numbers))
  return _joined(judged, any)


def _budget(results: Results) -> Verdict | None:
  judged = []
  for model in dict.fromkeys(row["model"] for row in results["rows"]):
    rows = [row for row in results["rows"] if row["hfc"] and row["model"] == model]
    budgets = sorted({row["eps_256"] for row in rows})
    means = [mean(_areas(row for row in rows if row["eps_256"] == eps)) for eps in budgets]
    if len(budgets) > 1 and means[0] is not None and means[-1] is not None:
      numbers = f"on {model}: {percent(means[0], unit=True)} at {number(budgets[0], 3)}/256, "
      numbers += f"{percent(means[-1], unit=True)} at {number(budgets[-1], 3)}/256"
      judged.append((means[-1] <= means[0] - 0.05, numbers))
  return _joined(judged, all)


def _best(results: Results) -> Verdict | None:
  methods: dict[str, list[Row]] = {}
  for row in results["rows"]:
    if row["method"] not in ("none", *KNOWING):
      rule = f" ({row['weight_rule']})" if row["method"] == "hfc" else ""
      methods.setdefault(ADAPTIVE_METHODS[row["method"]] + rule, []).append(row)
  means = {key: mean(_areas(rows)) for key, rows in methods.items()}
  known = {key: area for key, area in means.items() if area is not None}
  ours = [area for key, area in known.items() if key.startswith("HFC")]
  theirs = [area for key, area in known.items() if not key.startswith("HFC")]
  if not ours or not theirs:
    return None
  numbers = ", ".join(f"{key} {percent(area, unit=True)}" for key, area in known.items())
  return min(ours) < min(theirs), f"mean AUC: {numbers}"


def _components(results: Results) -> Verdict | None:
  counts = dict.fromkeys(r["components"] for r in results["rows"] if r["components"] is not None)
  means = [mean(_areas(r for r in results["rows"] if r["components"] == c)) for c in counts]
  known = [value for value in means if value is not None]
  if len(known) < 2:
    return None
  span = max(known) - min(known)
  return span <= 0.1, f"the average AUC moves by {100 * span:.1f} points over M"


def _transfers(results: Results) -> Verdict | None:
  by_rule = _by_rule({"rows": [row for row in results["rows"] if row["substitute"] is not None]})
  plain = mean(_areas(by_rule.pop(None, [])))
  judged = []
  for rule, rows in by_rule.items():
    area = mean(_areas(rows))
    if plain is not None and area is not None:
      numbers = (
        f"{rule}: mean AUC {percent(plain, unit=True)} to {percent(area, unit=True)}, Adv. Acc "
      )
      numbers += percent(rows[0]["adv_acc"], unit=True)
      judged.append((area <= plain - 0.1 and rows[0]["adv_acc"] >= 0.5, numbers))
  return _joined(judged, any)


def _volumes(results: Results) -> Verdict | None:
  points: Sequence[Row] = results["success"]
  share = {f: mean(p["adv_acc"] for p in points if p["form"] == f)
           for f in ("volumes", "slices", "halved")}  # fmt: skip
  volumes, slices, halved = share["volumes"], share["slices"], share["halved"]
  if volumes is None or slices is None or halved is None:
    return None
  numbers = ", ".join(f"{form} {percent(value, unit=True)}" for form, value in share.items())
  return volumes >= slices + 0.05 and volumes > halved, f"mean success: {numbers}"


def _lesions(results: Results) -> Verdict | None:
  areas = _areas(results["rows"], "auc")
  return (min(areas) >= 0.85, f"AUCs from {percent(min(areas), unit=True)}") if areas else None


CLAIMS = (
  Claim("Medical features are more vulnerable than natural ones.", "MICCAI Table 1, TMI Fig. 4",
        "stress_test", "Their mean ratio of change is at least 1.5 times as large.", _vulnerable),
  Claim("Medical images fall to smaller budgets than natural ones.", "TMI section V.F",
        "medical_natural", "The smallest budget with Adv. Acc of 95 % is at most half as large.",
        _smallest),
  Claim("Attacks push features in one fixed direction.", "MICCAI Theorem 1, TMI Theorems I and II",
        "gradient_direction", "The mean cosine of the changes by two attacks is at least 0.5, and "
        "99.9 % of the gradients that the theorems speak of keep their sign.", _direction),
  Claim("Without HFC, detectors see nearly all adversarials.", "MICCAI Table 2, TMI Table I",
        "detection", "KD, MAHA, LID, SVM and DNN all reach an AUC within class of 95 %.", _seen),
  Claim("HFC hides from all detectors.", "MICCAI Table 2, TMI Table I", "detection",
        "At one weight, no detector's AUC within class exceeds 85 % and Adv. Acc is at least 90 %.",
        _hidden),
  Claim("A larger budget helps HFC to hide.", "MICCAI Fig. 3, TMI Fig. 5", "budget",
        "From the smallest to the largest budget the detectors' mean AUC falls by at least 5 "
        "points, on every backbone.", _budget),
  Claim("HFC hides better than other adaptive attacks.", "MICCAI Table 3, TMI Table II", "adaptive",
        "The detectors' mean AUC is lower than against each of the other four.", _best),
  Claim("The number of components matters little.", "TMI Table III", "components",
        "The detectors' average AUC moves by at most 10 points over M.", _components),
  Claim("HFC hides when the attack is made on a substitute.", "MICCAI Table 4, TMI Table IV",
        "semi_white_box", "At one weight HFC lowers the mean AUC by at least 10 points and moves "
        "at least half of the images.", _transfers),
  Claim("Volumes are more vulnerable than two-dimensional images.", "TMI Fig. 9", "volumes",
        "Over the budgets, mean success is at least 5 points higher than on slices, and higher "
        "than on volumes of half the side.", _volumes),
  Claim("The HFC term detects lesions.", "TMI Table VI", "ood",
        "The AUC is at least 85 % for every size and number of lesions.", _lesions),
)  # fmt: skip
