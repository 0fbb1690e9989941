"""The papers' claims, and the rule by which each is confirmed: written before any data are seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from hfc_tf.results.labels import ADAPTIVE_METHODS, KNOWING, number, percent, share
from hfc_tf.results.tables import MAIN, mean

Results = Mapping[str, Any]
Row = Mapping[str, Any]
Judged = Iterator[tuple[bool, str]]


class Claim(NamedTuple):
  """One claim.

  Attributes:
    experiment: whose results decide.
    text: the claim. source: where the papers make it.
    rule: when it counts as confirmed.
    enough: `all` or `any` of what `judge` yields must hold.
    judge: whether the rule holds, and the numbers: once a weight or backbone where there are
      several; nothing where the results cannot tell.
  """

  experiment: str
  text: str
  source: str
  rule: str
  enough: Callable[[Iterable[bool]], bool]
  judge: Callable[[Results], Judged]


CLAIMS: list[Claim] = []


def verdicts(results: Mapping[str, Results]) -> list[dict[str, Any]]:
  """Each claim with "confirmed", "not confirmed" or "not tested", and the numbers.

  Args:
    results: what results.json holds, by experiment.
  """
  lines = []
  for name, text, source, rule, enough, judge in CLAIMS:
    judged = list(judge(results[name])) if name in results else []
    verdict = "confirmed" if enough(holds for holds, _ in judged) else "not confirmed"
    lines.append({
      "claim": text, "source": source, "experiment": name, "rule": rule,
      "verdict": verdict if judged else "not tested",
      "numbers": "; ".join(numbers for _, numbers in judged),
    })  # fmt: skip
  return lines


def _claim(
  experiment: str, text: str, source: str, rule: str, enough: Callable[..., bool] = all
) -> Callable[[Callable[[Results], Judged]], None]:
  """The function below judges a claim."""
  return lambda judge: CLAIMS.append(Claim(experiment, text, source, rule, enough, judge))


def _values(rows: Iterable[Row], name: str = "auc_within_class_two_sided") -> list[float]:
  return [row[name] for row in rows if row.get(name) is not None]


def _by(rows: Iterable[Row], field: str) -> dict[Any, list[Row]]:
  groups: dict[Any, list[Row]] = {}
  for row in rows:
    groups.setdefault(row[field], []).append(row)
  return groups


def _successful(results: Results) -> Iterator[Row]:
  return (r for r in results["rows"] if r.get("population", "successful") == "successful")


@_claim(
  "stress_test", "Medical features are more vulnerable than natural ones.",
  "MICCAI Table 1, TMI Fig. 4", "Their mean ratio of change is at least 1.5 times as large.",
)  # fmt: skip
def _vulnerable(results: Results) -> Judged:
  domains = _by(results["rows"], "domain")
  medical, natural = (mean(_values(domains.get(d, ()), "ratio")) for d in ("medical", "natural"))
  if medical is not None and natural is not None:
    yield medical >= 1.5 * natural, f"features change by {share(medical)} against {share(natural)}"


@_claim(
  "medical_natural", "Medical images fall to smaller budgets than natural ones.", "TMI section V.F",
  "The smallest budget with Adv. Acc of 95 % is at most half as large.",
)  # fmt: skip
def _smallest(results: Results) -> Judged:
  medical, natural = (results["smallest_eps_256"][name] for name in ("medical", "natural"))
  if medical is not None and natural is not None:
    yield natural >= 2 * medical, f"{number(medical, 3)}/256 against {number(natural, 3)}/256"


@_claim(
  "gradient_direction", "Attacks push features in one fixed direction.",
  "MICCAI Theorem 1, TMI Theorems I and II", "The mean cosine of the changes by two attacks is at "
  "least 0.5, and 99.9 % of the gradients that the theorems speak of keep their sign.",
)  # fmt: skip
def _direction(results: Results) -> Judged:
  kinds = _by(results["rows"], "kind")
  cosine = mean(_values(kinds.get("pair", ()), "cosine"))
  signs = _values(kinds.get("gradient", ()), "same_sign")
  if cosine is not None and signs:
    yield cosine >= 0.5 and min(signs) >= 0.999, (
      f"mean cosine of two attacks' changes {cosine:.2f}; the least share of gradients that keep "
      f"their sign {share(min(signs))}"
    )


@_claim(
  "detection", "Without HFC, detectors see nearly all adversarials.",
  "MICCAI Table 2, TMI Table I",
  "KD, MAHA, LID, SVM and DNN all reach a two-sided AUC within class of 95 %.",
)  # fmt: skip
def _seen(results: Results) -> Judged:
  # Bayesian uncertainty sees little in the papers too.
  plain = _by(_successful(results), "weight_rule").get(None, [])
  areas = _values(row for row in plain if row["detector"] in MAIN)
  if areas:
    yield min(areas) >= 0.95, f"AUCs without HFC from {share(min(areas))}"


@_claim(
  "detection", "HFC hides from all detectors.", "MICCAI Table 2, TMI Table I",
  "At one weight, no detector's two-sided AUC within class exceeds 85 % and Adv. Acc is at least "
  "90 %.", any,
)  # fmt: skip
def _hidden(results: Results) -> Judged:
  for rule, rows in _by(_successful(results), "weight_rule").items():
    areas, least = _values(rows), min(row["adv_acc"] for row in rows)
    if rule is not None and areas:
      numbers = f"{rule}: two-sided AUCs up to {share(max(areas))}, Adv. Acc {share(least)}"
      yield max(areas) <= 0.85 and least >= 0.9, numbers


@_claim(
  "budget", "A larger budget helps HFC to hide.", "MICCAI Fig. 3, TMI Fig. 5",
  "From the smallest to the largest budget the detectors' mean two-sided AUC falls by at least 5 "
  "points, on every backbone.",
)  # fmt: skip
def _budget(results: Results) -> Judged:
  for model, rows in _by((r for r in results["rows"] if r["hfc"]), "model").items():
    (low, first), *_, (high, last) = 2 * sorted(
      (eps, mean(_values(each))) for eps, each in _by(rows, "eps_256").items()
    )
    if high > low and first is not None and last is not None:
      numbers = f"on {model}: {share(first)} at {number(low, 3)}/256, "
      yield last <= first - 0.05, numbers + f"{share(last)} at {number(high, 3)}/256"


@_claim(
  "adaptive", "HFC hides better than other adaptive attacks.", "MICCAI Table 3, TMI Table II",
  "The detectors' mean two-sided AUC within class is lower than against each of the other four.",
)  # fmt: skip
def _best(results: Results) -> Judged:
  means = {}
  for method, rows in _by(results["rows"], "method").items():
    for rule, each in _by(rows, "weight_rule").items():
      area = mean(_values(each))
      if method not in ("none", *KNOWING) and area is not None:
        means[ADAPTIVE_METHODS[method] + (f" ({rule})" if method.startswith("hfc") else "")] = area
  ours = [area for key, area in means.items() if key.startswith("HFC (")]
  theirs = [area for key, area in means.items() if not key.startswith("HFC")]
  if ours and theirs:
    numbers = ", ".join(f"{key} {share(area)}" for key, area in means.items())
    yield min(ours) < min(theirs), f"mean two-sided AUC: {numbers}"


@_claim(
  "components", "The number of components matters little.", "TMI Table III",
  "The detectors' average two-sided AUC moves by at most 10 points over M.",
)  # fmt: skip
def _components(results: Results) -> Judged:
  counts = _by((r for r in results["rows"] if r["components"] is not None), "components")
  means = [area for rows in counts.values() if (area := mean(_values(rows))) is not None]
  if len(means) > 1:
    span = max(means) - min(means)
    yield span <= 0.1, f"the average AUC moves by {percent(span)} points over M"


@_claim(
  "semi_white_box", "HFC hides when the attack is made on a substitute.",
  "MICCAI Table 4, TMI Table IV",
  "At one weight HFC lowers the mean two-sided AUC by at least 10 points and moves at least half "
  "of the images.", any,
)  # fmt: skip
def _transfers(results: Results) -> Judged:
  made = [r for r in results["rows"] if r["substitute"] is not None]
  pretrained = [r for r in made if r.get("start")]  # beside which others are from scratch
  rules = _by(pretrained or made, "weight_rule")
  plain = mean(_values(rules.pop(None, [])))
  for rule, rows in rules.items():
    area, moved = mean(_values(rows)), rows[0]["adv_acc"]
    if plain is not None and area is not None:
      numbers = f"{rule}: mean AUC {share(plain)} to {share(area)}, Adv. Acc {share(moved)}"
      yield area <= plain - 0.1 and moved >= 0.5, numbers


@_claim(
  "volumes", "Volumes are more vulnerable than two-dimensional images.", "TMI Fig. 9",
  "Over the budgets, mean success is at least 5 points higher than on slices, and higher than on "
  "volumes of half the side.",
)  # fmt: skip
def _volumes(results: Results) -> Judged:
  points = _by(results["success"], "form")
  means = {form: mean(_values(points.get(form, ()), "adv_acc"))
           for form in ("volumes", "slices", "halved")}  # fmt: skip
  volumes, slices, halved = means.values()
  if volumes is not None and slices is not None and halved is not None:
    numbers = ", ".join(f"{form} {share(value)}" for form, value in means.items())
    yield volumes >= slices + 0.05 and volumes > halved, f"mean success: {numbers}"


@_claim(
  "ood", "The HFC term detects lesions.", "TMI Table VI",
  "The AUC is at least 85 % for every size and number of lesions.",
)  # fmt: skip
def _lesions(results: Results) -> Judged:
  areas = _values(results["rows"], "auc")
  if areas:
    yield min(areas) >= 0.85, f"AUCs from {share(min(areas))}"
