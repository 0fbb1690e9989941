"""Each rule of a claim, on results made up to keep it, to break it and to leave it open."""

import pytest

from hfc_tf.experiments import EXPERIMENTS
from hfc_tf.results import claims
from hfc_tf.results.claims_base import ELSEWHERE, ONE_TRAINING, Interval, one_form
from tests.results.claims_rows import (
  PLAIN,
  WEAK,
  apgd,
  budget,
  by_layer,
  classes,
  components,
  cosines,
  domains,
  forms,
  hidden,
  kappa,
  larger,
  layers,
  lesions,
  method,
  neighbours,
  row,
  rows,
  signs,
  smallest,
  starts,
  stress,
  substitute,
  volumes_of,
)  # fmt: skip

YES, NO, OPEN, NEVER = "confirmed", "not confirmed", "undecided", "not tested"
CLAIMS = {claim.text: claim for claim in claims.CLAIMS}


def judged(text, results):
  claim = next(each for start, each in CLAIMS.items() if start.startswith(text))
  lines = claims.verdicts({claim.experiment: results})
  return next(line for line in lines if line["claim"] == claim.text)


CASES = {  # claim: (results, verdict), ...
  "Without HFC": (
    (rows(PLAIN), YES), (rows(row(None, 0.9)), NO), (rows(row(None, 0.95)), OPEN),
    (rows(WEAK), ELSEWHERE), (rows(row(None, 0.99, n_adversarial=2)), NEVER),
  ),
  "HFC hides from the papers'": (
    (hidden(0.7, 0.8), YES), (hidden(0.7, 0.9), NO), (hidden(0.7, 0.85), OPEN),
    (hidden(0.2), YES), (hidden(0.05), NO), (hidden(0.7, adv_acc=0.8), NO),
    (hidden(0.7, plain=WEAK), ELSEWHERE), (hidden(0.99, adv_acc=0.7, plain=WEAK), ELSEWHERE),
    (hidden(0.55, n_adversarial=2), OPEN),
    (rows(PLAIN), NEVER), (rows(PLAIN, row("paper", 0.95), row("balanced", 0.6)), YES),
  ),
  "HFC hides from detectors": (
    (hidden(0.7, detector="knn"), YES), (hidden(0.99, detector="squeezing"), NO),
    (hidden(0.85, detector="knn"), OPEN), (hidden(0.7), NEVER),
  ),
  "HFC hides CW": (
    (kappa(0.7), YES), (kappa(0.9), NO), (kappa(0.85), OPEN),
    (rows(row("paper", 0.7, attack="cw")), NEVER),
  ),
  "A larger budget makes": (
    (budget(0.1, False), YES), (budget(-0.1, False), NO), (budget(0.0, False), OPEN),
    (budget(0.1, True), NEVER),
  ),
  "A larger budget helps": (
    (budget(-0.1, True), YES), (budget(0.1, True), NO), (budget(0.0, True), OPEN), (rows(), NEVER),
  ),
  "HFC hides better than": (
    (method(-0.1), YES), (method(0.1), NO), (method(-0.01), OPEN),
    (method(-0.1, plain=WEAK), ELSEWHERE), (rows(PLAIN), NEVER),
  ),
  "The number": (
    (components(0.01), YES), (components(0.2), NO), (components(-0.1), OPEN),
    (components(0.01, "low_rank"), NEVER), (rows(), NEVER),
  ),
  "HFC hides when": (
    (substitute(-0.1, 3), YES), (substitute(0.1, 3), NO), (substitute(-0.01, 3), OPEN),
    (substitute(-0.1, 3, adv_acc=0.3), NO), (substitute(-0.1, 1), ONE_TRAINING), (rows(), NEVER),
  ),
  "With HFC single": (
    (layers(0.1, 0.7), YES), (layers(0.3, 0.7), NO), (layers(0.1, 0.8), OPEN), (rows(PLAIN), NEVER),
  ),
  "With HFC no single": (
    (layers(0.5, 0.7), YES), (layers(0.05, 0.7), NO), (layers(0.5, 0.85), OPEN),
    (rows(PLAIN), NEVER),
  ),
  "In volumes": (
    (volumes_of(3, 0.6, 0.7, 0.9), YES), (volumes_of(3, 0.6, 0.9), NO),
    (volumes_of(3, 0.6, 0.8), OPEN), (volumes_of(2, 0.6), ELSEWHERE), (rows(PLAIN), NEVER),
  ),
  "Medical features": (
    (stress(0.6, 0.3), YES), (stress(0.3, 0.6), NO), (stress(0.3, 0.301), OPEN),
    (stress(0.6, 0.3, 1), ONE_TRAINING),
    (stress(0.6, 0.3, 3, train=500),
     "not comparable: differs in training images (100 and 500)"), (rows(), NEVER),
  ),
  "Medical images": (
    (smallest(0.5, 8.0), YES), (smallest(8.0, 4.0), NO), (smallest(4.0, 4.2), OPEN),
    (smallest(0.5, 8.0, 1), ONE_TRAINING), (smallest(0.5, None), NEVER),
    (smallest(0.5, 8.0, 3, **classes(10)), "not comparable: differs in classes (2 and 10)"),
  ),
  "On natural images a larger budget makes": (
    (budget(0.1, False), YES), (budget(-0.1, False), NO), (budget(0.0, False), OPEN),
    (budget(0.1, True), NEVER),
  ),
  "On natural images a larger budget helps": (
    (budget(-0.1, True), YES), (budget(0.1, True), NO), (budget(0.0, True), OPEN), (rows(), NEVER),
  ),
  "HFC hides better on": (
    (domains(0.6, 0.8), YES), (domains(0.8, 0.6), NO), (domains(0.7, 0.71), OPEN),
    (domains(0.6, 0.8, 1), ONE_TRAINING), (rows(), NEVER),
    (domains(0.6, 0.8, image_size=64), "not comparable: differs in image size (32 and 64)"),
  ),
  "Volumes": (
    (forms(0.8, 0.6), YES), (forms(0.6, 0.8), NO), (forms(0.8, 0.79), OPEN),
    (forms(0.8, 0.6, 1), ONE_TRAINING), (rows(success=[]), NEVER),
  ),
  "The HFC term detects": (
    (lesions(0.9, 0.95), YES), (lesions(0.9, 0.8), NO), (lesions(0.85), OPEN),
    (lesions(0.9, n=5), NEVER),
  ),
  "The HFC term of one": (
    (by_layer(0.5, 0.9), YES), (by_layer(0.5, 0.6), NO), (by_layer(0.5, 0.85), OPEN),
    (rows(), NEVER),
  ),
  "Larger and more": (
    (larger(0.6), YES), (larger(0.4), NO), (larger(0.51), OPEN), (larger(0.6, 3), NEVER),
  ),
  "Attacks push": (
    (cosines(0.8), YES), (cosines(0.3), NO), (cosines(0.51), OPEN), (cosines(0.8, 2), NEVER),
  ),
  "The gradient never turns: Theorem I.": (
    (signs((1.0, 2)), YES), (signs((0.9, 2)), NO), (signs((1.0, 10)), NEVER),
    (signs((1.0, 2), (0.9, 10)), YES), (signs((0.9, 2), (1.0, 10)), NO), (rows(), NEVER),
  ),
  "The gradient never turns: Theorem II": (
    (signs((1.0, 10)), YES), (signs((0.9, 10)), NO), (signs((1.0, 2)), NEVER),
    (signs((0.9, 2), (1.0, 10)), YES), (signs((1.0, 2), (0.9, 10)), NO), (rows(), NEVER),
  ),
  "HFC moves": (
    (neighbours(0.95, 0.55), YES), (neighbours(0.9, 0.9), NO), (neighbours(0.95, 0.72), OPEN),
    (neighbours(0.95, 0.55, 8), NEVER),
  ),
  "A start": (
    (starts(0.9, 0.2), YES), (starts(0.2, 0.9), NO), (starts(0.5, 0.52), OPEN),
    (starts(0.9, 0.2, 2), ONE_TRAINING), (rows(), NEVER),
  ),
  "HFC added to APGD": (
    (apgd(0.95, 0.4), YES), (apgd(0.4, 0.95), NO), (apgd(0.95, 0.94), OPEN),
    (hidden(0.7, attack="apgd"), NEVER),
  ),
}  # fmt: skip


def test_every_claim_has_its_cases():
  assert len(claims.CLAIMS) == len(CLAIMS) == len(CASES)
  for claim, start in zip(claims.CLAIMS, CASES, strict=True):
    assert claim.text.startswith(start)
    assert claim.experiment in EXPERIMENTS and claim.rule.endswith(".") and claim.known


@pytest.mark.parametrize("start", CASES)
def test_rules(start):
  for place, (results, verdict) in enumerate(CASES[start]):
    line = judged(start, results)
    assert line["verdict"] == verdict, place
    assert line["numbers"] or verdict == NEVER


def test_nothing_was_run():
  assert {line["verdict"] for line in claims.verdicts({})} == {"not tested"}


def test_numbers_carry_their_count_and_interval():
  line = judged("HFC hides from the papers'", hidden(0.8))
  assert "80.0\u202f% [78–82], n = 90" in line["numbers"]


def test_intervals_decide():
  low, high = Interval(0.5, 0.4, 0.6, 9), Interval(0.8, 0.7, 0.9, 9)
  assert (low.less(high), high.less(low), low.less(low)) == (True, False, None)
  assert (low.above(0.3), low.above(0.7), low.above(0.5)) == (True, False, None)
  assert (low.within(0.7), low.within(0.3), low.within(0.5)) == (True, False, None)


def test_the_form_of_hfc_is_no_choice_by_results():
  form, chosen = one_form([row("paper", 0.1), row(None, 0.5), row("balanced", 0.99)])
  assert form == "balanced" and [r["auc_within_class"] for r in chosen] == [0.99]
  assert one_form([row(None, 0.5)]) == (None, [])


def test_the_page_says_what_was_known_and_how_many_verdicts_chance_turns():
  section = claims.section(claims.verdicts({"detection": hidden(0.8)}))
  shown, others, folded = section.tables
  assert "by chance alone" in shown.note and others.folded and folded.folded and not shown.folded
  assert len(shown.rows) + len(others.rows) == len(folded.rows) == len(CLAIMS)
  assert {cells[1] for cells in shown.rows} <= {"confirmed", "not confirmed", "undecided"}
  assert "known" in folded.head[1] and "first edition" in folded.rows[0][1]


def test_what_cannot_be_compared_says_why_beside_its_numbers():
  differs = "not comparable: differs in classes (2 and 10)"
  lines = [{"claim": "a", "source": "b", "rule": "c", "verdict": v, "numbers": n, "known": "d"}
           for v, n in ((differs, "1 and 7"), ("confirmed", "0.9"))]  # fmt: skip
  (shown, _) = claims.section(lines).tables
  assert shown.rows == [
    ["a (b)", "not comparable", "differs in classes (2 and 10); 1 and 7", "c"],
    ["a (b)", "confirmed", "0.9", "c"],
  ]
