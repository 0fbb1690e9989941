"""Claims on who sees the attacks, without HFC and with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hfc_tf.results.claims_base import (
  ELSEWHERE,
  ONE_FORM,
  ONE_TRAINING,
  Interval,
  Judged,
  Results,
  Row,
  all_of,
  by,
  claims,
  difference,
  interval,
  intervals,
  one_form,
  one_training,
  over_budget,
  pairs,
  points,
  success,
  successful,
  unless_weak,
)
from hfc_tf.results.labels import ADAPTIVE_METHODS, KNOWING, attack_label, detector_label
from hfc_tf.results.tables import MAIN

CLAIMS, _claim = claims(
  "Those of the first edition (chest 64 px, classifiers from scratch) and, on chest at 224 px, of "
  "SqueezeNet and VGG-16 started from ImageNet; none of this run."
)
_PAPERS = (*MAIN, "bu")


def _hidden(rows: Sequence[Row], some: Iterable[str] | None, otherwise: bool = False) -> Judged:
  """Whether each attack's one form of HFC hides it from the detectors with, or without, a name."""
  for attack, each in by(successful(rows), "attack").items():
    plain = [row for row in each if row.get("weight_rule") is None]
    form, hidden = one_form(each)
    asked = [row for row in hidden if some is None or (row["detector"] in some) is not otherwise]
    areas = intervals(asked)
    if form is None or not asked:
      continue
    if few := [row for row in asked if interval(row) is None]:
      yield None, f"{attack_label(attack)}: {len(few)} of {len(asked)} AUCs are of too few images"
    if areas:
      most, reached = max(areas), success(hidden)
      name = next(detector_label(row["detector"]) for row in asked if interval(row) == most)
      numbers = f"{attack_label(attack)}, HFC {form}: two-sided AUCs up to {most} ({name}), "
      holds = all_of([*(area.below(0.85) for area in areas), reached.above(0.9)])
      yield unless_weak(plain, holds, numbers + f"Adv. Acc {reached}")


_HIDES = (
  f"{ONE_FORM}: under each attack every two-sided AUC within class is below 85 % and Adv. Acc "
  "above 90 %, by their intervals."
)


@_claim(
  "detection", "Without HFC, detectors see nearly all adversarials.",
  "MICCAI Table 2, TMI Table I",
  "KD, MAHA, LID, SVM and DNN: every interval of the two-sided AUC within class lies above 95 %.",
)  # fmt: skip
def _seen(results: Results) -> Judged:
  # Bayesian uncertainty sees little in the papers too.
  rows = [row for row in successful(results["rows"]) if row.get("weight_rule") is None]
  for attack, each in by(rows, "attack").items():
    if areas := intervals(row for row in each if row["detector"] in MAIN):
      numbers = f"{attack_label(attack)}: AUCs from {min(areas)}"
      yield unless_weak(each, all_of(area.above(0.95) for area in areas), numbers)


@_claim("detection", "HFC hides from the papers' detectors.", "MICCAI Table 2, TMI Table I", _HIDES)
def _hides(results: Results) -> Judged:
  yield from _hidden(results["rows"], _PAPERS)


@_claim(
  "detection", "HFC hides from detectors that the papers do not ask.", "beyond the papers", _HIDES
)
def _hides_elsewhere(results: Results) -> Judged:
  yield from _hidden(results["rows"], _PAPERS, otherwise=True)


@_claim(
  "detection", "HFC hides CW with the papers' kappa as with kappa 0.", "TMI section II.A, Table I",
  f"The rule above, for cw and for cw(kappa=0). {_HIDES}",
)
def _kappa(results: Results) -> Judged:
  forms = {name: [row for row in results["rows"] if row.get("attack") == name]
           for name in ("cw", "cw(kappa=0)")}  # fmt: skip
  if all(forms.values()):
    for rows in forms.values():
      yield from _hidden(rows, _PAPERS)


@_claim(
  "budget", "A larger budget makes the attack plainer without HFC.", "TMI section V.F",
  "From the smallest to the largest budget the mean two-sided AUC of all detectors rises, by the "
  "paired interval of its change, on every backbone.",
)  # fmt: skip
def _plainer(results: Results) -> Judged:
  yield from over_budget(results, False)


@_claim(
  "budget", "A larger budget helps HFC to hide.", "MICCAI Fig. 3, TMI Fig. 5 and section V.F",
  f"{ONE_FORM}: that change is a fall.",
)  # fmt: skip
def _larger(results: Results) -> Judged:
  yield from over_budget(results, True)


@_claim(
  "adaptive", "HFC hides better than other adaptive attacks.", "MICCAI Table 3, TMI Table II",
  f"{ONE_FORM}: the mean two-sided AUC within class of all detectors is lower than against each of "
  "the four others, by the paired intervals of the differences.",
)  # fmt: skip
def _best(results: Results) -> Judged:
  plain = [row for row in results["rows"] if row.get("method") == "none"]
  for row in pairs(results, what="method"):
    if row["second"] not in ("none", *KNOWING):
      theirs, ours = (
        success([r for r in results["rows"] if r.get("method") == method
                 and (method != "hfc" or r.get("weight_rule") == row["first"])])
        for method in (row["second"], "hfc")
      )  # fmt: skip
      yield unless_weak(
        plain, difference(row).below(0.0),
        f"HFC {row['first']} less {ADAPTIVE_METHODS[row['second']]}: {points(difference(row))} "
        f"(Adv. Acc {ours} and {theirs})",
      )  # fmt: skip


@_claim(
  "components", "The number of components matters little.", "TMI Table III",
  "With full covariances on taps of at most 128 channels (--covariance=full) the mean two-sided "
  "AUC of all detectors moves by less than 10 points from the fewest components to any other "
  "number, by the paired intervals. Mixtures whose components share all but 32 directions, the "
  "default, make it true by construction: not tested.",
)  # fmt: skip
def _components(results: Results) -> Judged:
  compared = pairs(results, what="components")
  if not compared:
    return
  if str((results.get("config") or {}).get("covariance")) != "full":
    yield "not tested", "the components share all but 32 directions: give --covariance=full"
    return
  for row in compared:
    change = difference(row)
    yield change.within(0.1), f"M = {row['second']} to {row['first']}: {points(change)}"


@_claim(
  "semi_white_box", "HFC hides when the attack is made on a substitute.",
  "MICCAI Table 4, TMI Table IV",
  f"{ONE_FORM}: on every substitute of the victim's start the mean two-sided AUC is lower than "
  "without HFC by the paired interval, and Adv. Acc above 50 %; with at least three trainings.",
)  # fmt: skip
def _transfers(results: Results) -> Judged:
  compared = pairs(results, what="substitute")
  started = [row for row in compared if row.get("start")]  # beside which others are from scratch
  for row in started or compared:
    made = [r for r in results["rows"] if r.get("substitute") == row["substitute"]
            and r.get("start") == row.get("start")]  # fmt: skip
    reached = success([r for r in made if r.get("weight_rule") == row["first"]])
    holds = all_of([difference(row).below(0.0), reached.above(0.5)])
    yield ONE_TRAINING if one_training(results) else holds, (
      f"on {row['substitute']}, HFC {row['first']} less no HFC: {points(difference(row))}, Adv. "
      f"Acc {reached}"
    )


@_claim(
  "layers", "With HFC single layers show MAHA below 20 %, KD and LID below 80 %.",
  "TMI section V.B, Fig. 6",
  f"{ONE_FORM}: at every layer the interval of the AUC within class, one-sided as the papers', "
  "lies below.",
)  # fmt: skip
def _by_layer(results: Results) -> Judged:
  _, hidden = one_form(results["rows"])
  plain = [row for row in results["rows"] if row.get("weight_rule") is None]
  for name, bound in (("maha", 0.2), ("kd", 0.8), ("lid", 0.8)):
    rows = [row for row in hidden if row["detector"] == name]
    areas = intervals(rows, "auc_within_class")
    if areas:
      held = sum(area.below(bound) is True for area in areas)
      numbers = f"{detector_label(name)} up to {max(areas)}; below in {held} of {len(rows)} layers"
      few = [None] if len(areas) < len(rows) else []
      yield unless_weak(plain, all_of([*(area.below(bound) for area in areas), *few]), numbers)


@_claim(
  "layers", "With HFC no single layer gives the attack away.", "TMI Fig. 6, two-sided",
  f"{ONE_FORM}: at every layer and for every detector the interval of the two-sided AUC within "
  "class lies below 85 %.",
)  # fmt: skip
def _no_layer(results: Results) -> Judged:
  _, hidden = one_form(results["rows"])
  areas = {interval(row): row for row in hidden if interval(row)}
  if areas:
    most = max(area for area in areas if area)
    row = areas[most]
    yield all_of(area.below(0.85) for area in areas if area), (
      f"up to {most}, {detector_label(row['detector'])} on layer {row['layer']}"
    )


@_claim(
  "volumes", "In volumes of several classes most AUCs are below 80 % with HFC.",
  "TMI section V.B, Table I",
  f"{ONE_FORM}: of more than half of the attacks and detectors the interval of the two-sided AUC "
  "within class lies below 80 %; not so where it lies above for half of them. Only of three "
  "classes or more.",
)  # fmt: skip
def _brain(results: Results) -> Judged:
  classes = len((results.get("data") or {}).get("class_names") or ())
  areas: list[Interval] = []
  for rows in by(results["rows"], "attack").values():
    areas += intervals(row for row in one_form(rows)[1] if row["detector"] in _PAPERS)
  if not areas:
    return
  if classes < 3:
    yield ELSEWHERE, f"{classes} classes"
    return
  below = sum(area.below(0.8) is True for area in areas)
  above = sum(area.below(0.8) is False for area in areas)
  holds = True if 2 * below > len(areas) else False if 2 * above >= len(areas) else None
  yield holds, f"below 80 % in {below}, above in {above} of {len(areas)}; up to {max(areas)}"

