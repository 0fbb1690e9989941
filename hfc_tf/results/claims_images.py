"""Claims on images: which are vulnerable, and lesions that none of them has."""

from __future__ import annotations

import math

from hfc_tf.results.claims_base import (
  ONE_FORM,
  ONE_TRAINING,
  Interval,
  Judged,
  Results,
  all_of,
  by,
  claims,
  comparable,
  interval,
  intervals,
  mean_interval,
  one_form,
  one_training,
  over_budget,
)
from hfc_tf.results.labels import number, share
from hfc_tf.results.starts import student_interval
from hfc_tf.results.tables import mean

CLAIMS, _claim = claims(
  "Those of the first edition: chest against CIFAR-10 unmatched, lesions at 64 and 224 px, slices "
  "of the volumes phantom; none of this run."
)
_MATCHED = (
  "Both sides alike in image size, classes, training images (to 10 %), architecture and start, "
  "else not comparable; of at least three trainings each."
)
_BISECTION = 2**0.25  # of the smallest budget


@_claim(
  "stress_test", "Medical features are more vulnerable than natural ones.",
  "MICCAI Table 1, TMI Fig. 4",
  f"{_MATCHED} The ratio of changes of the same layer, pushed the same way, is above 1 by "
  "Student's interval over layers of its logarithm.",
)  # fmt: skip
def _vulnerable(results: Results) -> Judged:
  sides = by((row for row in results["rows"] if row.get("ratio")), "domain")
  medical, natural = sides.get("medical", []), sides.get("natural", [])
  ratios = (mean(row["ratio"] for row in side) for side in (medical, natural))
  if not medical or not natural:
    return
  numbers = "features change by {} against {}".format(*map(share, ratios))
  if unmatched := [verdict for verdict, _ in comparable(results)]:
    yield unmatched[0], numbers
    return
  key = ("paper", "layer_number", "direction")
  there = {tuple(row.get(k) for k in key): row["ratio"] for row in natural}
  logs = [math.log(row["ratio"] / there[place]) for row in medical
          if (place := tuple(row.get(k) for k in key)) in there]  # fmt: skip
  if ends := student_interval(logs):
    low, high = map(math.exp, ends)
    holds = Interval(math.exp(sum(logs) / len(logs)), low, high, len(logs)).above(1.0)
    numbers += f": {low:.2f} to {high:.2f} times as much over {len(logs)} layers"
    yield ONE_TRAINING if one_training(results) else holds, numbers


@_claim(
  "medical_natural", "Medical images fall to smaller budgets than natural ones.", "TMI section V.F",
  f"{_MATCHED} The smallest budget with Adv. Acc of 95 % is smaller, by more than the bisection "
  "leaves open.",
)  # fmt: skip
def _smallest(results: Results) -> Judged:
  sides = results.get("smallest_eps_256") or {}
  medical, natural = sides.get("medical"), sides.get("natural")
  if medical is None or natural is None:
    return
  numbers = " against ".join(
    f"{number(eps, 3)}/256 [{number(eps / _BISECTION, 3)}–{number(eps, 3)}]"
    for eps in (medical, natural)
  )
  if unmatched := [verdict for verdict, _ in comparable(results)]:
    yield unmatched[0], numbers
  else:
    one, other = (Interval(eps, eps / _BISECTION, eps, 0) for eps in (medical, natural))
    yield ONE_TRAINING if one_training(results) else one.less(other), numbers


_OVER_BUDGET = (
  "From the smallest to the largest budget of natural images the mean two-sided AUC of all "
  "detectors "
)


@_claim(
  "medical_natural", "On natural images a larger budget makes the attack plainer without HFC.",
  "TMI section V.F, Table V", f"{_OVER_BUDGET}rises, by the paired interval of its change.",
)
def _plainer(results: Results) -> Judged:
  yield from over_budget(results, False)


@_claim(
  "medical_natural", "On natural images a larger budget helps HFC to hide.",
  "TMI section V.F, Table V", f"{ONE_FORM}: {_OVER_BUDGET[0].lower()}{_OVER_BUDGET[1:]}falls.",
)
def _better_hidden(results: Results) -> Judged:
  yield from over_budget(results, True)


@_claim(
  "medical_natural", "HFC hides better on medical images than on natural ones.",
  "TMI section V.F, Table V",
  f"{_MATCHED} {ONE_FORM}: the interval of the detectors' mean two-sided AUC lies below that on "
  "natural images, at each of their budgets.",
)  # fmt: skip
def _hides_better(results: Results) -> Judged:
  sides = by(results["rows"], "domain")
  ours = mean_interval(one_form(sides.get("medical", ()))[1])
  for eps, rows in by(sides.get("natural", ()), "eps_256").items():
    theirs = mean_interval(one_form(rows)[1])
    if ours is None or theirs is None:
      continue
    numbers = f"{ours} against {theirs} at {number(eps, 3)}/256"
    if unmatched := [verdict for verdict, _ in comparable(results)]:
      yield unmatched[0], numbers
    else:
      yield ONE_TRAINING if one_training(results) else ours.less(theirs), numbers


@_claim(
  "volumes", "Volumes are more vulnerable than two-dimensional images.", "TMI Fig. 9",
  "Mean success over the budgets is higher than on slices and than on volumes of half the side, by "
  "intervals that do not overlap; with at least three trainings of each.",
)  # fmt: skip
def _volumes(results: Results) -> Judged:
  forms = {form: mean_interval(rows, "adv_acc", "n")
           for form, rows in by(results.get("success") or (), "form").items()}  # fmt: skip
  volumes, slices, halved = (forms.get(form) for form in ("volumes", "slices", "halved"))
  if volumes and slices and halved:
    holds = all_of([slices.less(volumes), halved.less(volumes)])
    numbers = ", ".join(f"{form} {each}" for form, each in forms.items())
    yield ONE_TRAINING if one_training(results) else holds, f"mean success: {numbers}"


@_claim(
  "ood", "The HFC term detects lesions.", "TMI Table VI",
  "Eq. 19 on the last layer: for every size and number the interval of the AUC lies above 85 %.",
)  # fmt: skip
def _lesions(results: Results) -> Judged:
  areas = intervals(results["rows"], "auc", "n_lesions")
  if areas:
    held = sum(area.above(0.85) is True for area in areas)
    few = len(areas) < len(results["rows"])
    yield all_of([*(area.above(0.85) for area in areas), *([None] if few else [])]), (
      f"AUCs from {min(areas)}; above in {held} of {len(results['rows'])}"
    )


@_claim(
  "ood", "The HFC term of one layer detects lesions.", "after TMI Table VI",
  "Eq. 19 by layer: at one of the layers every interval of the AUC lies above 85 %; not so where "
  "at every layer one lies below. The layer is found on the images it is judged by.",
)  # fmt: skip
def _lesions_by_layer(results: Results) -> Judged:
  said: dict[str, bool | None] = {}
  least: dict[str, Interval] = {}
  for layer, rows in by(results.get("by_layer") or (), "layer").items():
    if areas := intervals(rows, "auc", "n_lesions"):
      said[layer], least[layer] = all_of(area.above(0.85) for area in areas), min(areas)
  if said:
    best = max(least, key=least.__getitem__)
    holds = True if True in said.values() else None if None in said.values() else False
    yield holds, f"{best}, the best of {len(said)}: AUCs from {least[best]}"


@_claim(
  "ood", "Larger and more lesions score higher.", "TMI section V.H, Table VI",
  "From one size, or number, to the next more than half of the images score higher, by the "
  "interval over patients of their share, at every step.",
)  # fmt: skip
def _more(results: Results) -> Judged:
  steps = [(row, each) for row in results.get("steps") or ()
           if (each := interval(row, "higher", "n"))]  # fmt: skip
  if steps:
    row, least = min(steps, key=lambda step: step[1])
    yield all_of(each.above(0.5) for _, each in steps), (
      f"higher on {least} from {row['first']} to {row['second']}, the least of {len(steps)} steps"
    )
