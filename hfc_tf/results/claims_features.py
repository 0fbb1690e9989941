"""Claims on features, attacks and classifiers: which way attacks push, what a start does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfc_tf.evaluation import metrics
from hfc_tf.results.claims_base import (
  ONE_TRAINING,
  Interval,
  Judged,
  Results,
  all_of,
  by,
  claims,
  intervals,
  one_training,
  success,
)
from hfc_tf.results.labels import budget, share

CLAIMS, _claim = claims(
  "Those of the first edition: directions on two classes of chest at 64 px, t-SNE there, starts of "
  "VGG-16 and SqueezeNet on chest; none of this run."
)


_OF_ATTACKS, _claim_of_attacks = claims("None but of single images in tests.")


@_claim(
  "gradient_direction", "Attacks push features in one fixed direction.",
  "MICCAI Fig. 2, TMI Fig. 3",
  "Of every two attacks the mean cosine of an image's changes is above 0.5, by its interval over "
  "images.",
)  # fmt: skip
def _direction(results: Results) -> Judged:
  rows = by(results["rows"], "kind").get("pair", [])
  cosines = intervals(rows, "cosine", "n")
  if cosines:
    least = min(cosines)
    yield all_of(each.above(0.5) for each in cosines), (
      f"mean cosines from {least.value:.2f} [{least.low:.2f} to {least.high:.2f}], n = {least.n}"
    )


def _theorem(results: Results, two: bool) -> Judged:
  """Whether gradients keep their sign; a theorem's figures are exact but for rounding."""
  gradients = by(results["rows"], "kind").get("gradient", [])
  networks = by((row for row in gradients if row["same_sign"] is not None), "classes")
  for classes, rows in networks.items():
    if (classes == 2) is two:
      least = min(row["same_sign"] for row in rows)
      wrong = max(row["gradient_error"] or 0.0 for row in rows)
      yield least >= 0.999 and wrong <= 1e-6, (
        f"{classes} classes: the least share of gradients that keep their sign is "
        f"{share(least, 2)}, Eq. {'8' if two else '12'} is off by {wrong:.0e} at the most, n = "
        f"{rows[0]['n']}"
      )
  if networks and not any((classes == 2) is two for classes in networks):
    yield "not tested", f"{', '.join(map(str, networks))} classes"


_SIGNS = (
  "99.9 % of the gradients that the theorem speaks of keep their sign over the steps of BIM, and "
  "the equation is the tape's to 1e-6; an identity, which needs no interval. Only of a network of "
)


@_claim("gradient_direction", "The gradient never turns: Theorem I.",
        "MICCAI Theorem 1, TMI Theorem I", f"{_SIGNS}two classes.")  # fmt: skip
def _first_theorem(results: Results) -> Judged:
  yield from _theorem(results, True)


@_claim("gradient_direction", "The gradient never turns: Theorem II.",
        "TMI Theorem II", f"{_SIGNS}more than two.")  # fmt: skip
def _second_theorem(results: Results) -> Judged:
  yield from _theorem(results, False)


@_claim(
  "tsne", "HFC moves features among clean ones.", "TMI section V.B, Fig. 7",
  "At each layer shown, fewer hidden images than attacked ones have their own kind as nearest "
  "neighbour, by intervals that do not overlap, and fewer than 75 %; 50 % is not to be told apart.",
)  # fmt: skip
def _among(results: Results) -> Judged:
  for layer, rows in by(results["rows"], "layer_number").items():
    groups = {row["group"]: _neighbours(row) for row in rows}
    plain, hidden = groups.get("attack"), groups.get("hfc")
    if plain and hidden:
      yield all_of([hidden.less(plain), hidden.below(0.75)]), f"layer {layer}: {plain} to {hidden}"


def _neighbours(row: Mapping[str, Any]) -> Interval | None:
  """Share of images, as many of both sides, whose nearest neighbour is of their side."""
  n, value = min(row["n_group"], row["n_clean"]), row["neighbours"]
  if value is None or n < metrics.FEWEST:
    return None
  # Neighbours come in pairs: as if there were but one image of each.
  low, high = metrics.wilson(round(value * n), n) or (0.0, 1.0)
  return Interval(value, low, high, n)


@_claim(
  "pretraining", "A start from ImageNet makes a classifier more vulnerable.", "beyond the papers",
  "At the smallest budget whose success differs between the starts by intervals over at least "
  "three trainings each, the classifiers from given weights fall more often, and nowhere less.",
)  # fmt: skip
def _start(results: Results) -> Judged:
  rows = [row for row in results.get("starts") or () if row["measure"] == "adv_acc"]
  sides = [(row, *(_spread(row[start]) for start in ("weights", "scratch"))) for row in rows]
  judged = [(row, a, b, b.less(a)) for row, a, b in sides if a and b]
  if not judged:
    return
  apart = [each for each in judged if each[3] is not None]
  row, given, scratch, _ = min(apart or judged, key=lambda each: float(each[0]["eps_256"]))
  holds = all(each[3] for each in apart) if apart else None
  yield ONE_TRAINING if one_training(results) else holds, (
    f"{budget(row['eps_256'])}: {given} against {scratch}"
  )


def _spread(side: Mapping[str, Any]) -> Interval | None:
  value, low, high = (side[name] for name in ("mean", "low", "high"))
  if value is None or low is None or high is None:
    return None
  return Interval(value, low, high, 0)


@_claim_of_attacks(
  "detection", "HFC added to APGD as it is disrupts its decay of the step.", "TMI section V.I",
  "At the papers' weight Adv. Acc of apgd(naive=true), which judges its progress by the sum of "
  "both terms, is lower than that of apgd, by intervals that do not overlap.",
)  # fmt: skip
def _naive(results: Results) -> Judged:
  rows = [row for row in results["rows"] if row.get("weight_rule") == "paper"]
  forms = by(rows, "attack")
  if "apgd" in forms and "apgd(naive=true)" in forms:
    ours, naive = success(forms["apgd"]), success(forms["apgd(naive=true)"])
    yield naive.less(ours), f"Adv. Acc {naive}, and {ours} by the density's own value"


CLAIMS += _OF_ATTACKS
