"""Each rule of a claim, on results made up to keep it, to break it and to say nothing."""

import pytest

from hfc_tf.experiments import EXPERIMENTS
from hfc_tf.results import claims


def arm(rule, area, adv_acc=1.0, **others):
  return {
    "weight_rule": rule, "auc_within_class": area, "adv_acc": adv_acc, "detector": "kd",
    "auc_within_class_two_sided": None if area is None else max(area, 1 - area),
    "hfc": rule is not None, **others,
  }  # fmt: skip


def rows(*members, **others):
  return {"rows": list(members), **others}


def budget(small, large, model="vgg16"):
  return [
    arm("auto", small, eps_256=1.0, model=model),
    arm("auto", large, eps_256=4.0, model=model),
  ]


def stress(medical, natural):
  return rows(*({"domain": d, "ratio": r} for d, r in (("medical", medical), ("natural", natural))))


def direction(cosine, sign):
  return rows({"kind": "pair", "cosine": cosine}, {"kind": "gradient", "same_sign": sign})


def methods(ours, theirs):
  return rows(arm("paper", ours, method="hfc"), arm("auto", theirs, method="kde"))


def counts(*areas):
  return rows(*(arm("paper", area, components=2**i) for i, area in enumerate(areas)))


def substitute(plain, hidden, adv_acc):
  return rows(
    *(arm(r, a, adv_acc, substitute="vgg16") for r, a in ((None, plain), ("auto", hidden)))
  )


def volumes(whole, flat, half):
  shares = {"volumes": whole, "slices": flat, "halved": half}
  return rows(success=[{"form": form, "adv_acc": share} for form, share in shares.items()])


SEEN, HIDDEN = (
  rows(arm(None, 0.96)),
  rows(arm(None, 1.0), arm("paper", 0.9), arm("auto", 0.8, 0.95)),
)
CASES = {
  "Medical features": (stress(0.6, 0.3), stress(0.4, 0.3), rows({"domain": "medical", "ratio": 1})),
  "Medical images": (
    rows(smallest_eps_256={"medical": 0.5, "natural": 8.0}),
    rows(smallest_eps_256={"medical": 6.0, "natural": 8.0}),
    rows(smallest_eps_256={"medical": 0.5, "natural": None}),
  ),
  "Attacks push": (direction(0.8, 1.0), direction(0.8, 0.9), rows()),
  "Without HFC": (SEEN, rows(arm(None, 0.94)), rows(arm(None, None))),
  "HFC hides from": (HIDDEN, rows(arm("auto", 0.8, 0.5), arm("paper", 0.1)), rows(arm(None, 1.0))),
  "A larger budget": (
    rows(*budget(0.8, 0.6)),
    rows(*budget(0.8, 0.6), *budget(0.7, 0.7, "resnet50")),
    rows(*budget(0.8, None)),
  ),
  "HFC hides better": (methods(0.4, 0.7), methods(0.1, 0.4), methods(0.4, None)),
  "The number": (counts(0.5, 0.55, 0.59), counts(0.5, 0.61), counts(0.5)),
  "HFC hides when": (substitute(0.9, 0.7, 0.6), substitute(0.9, 0.7, 0.4), rows()),
  "Volumes": (volumes(0.8, 0.6, 0.5), volumes(0.8, 0.6, 0.9), volumes(0.8, None, 0.5)),
  "The HFC term": (rows({"auc": 0.9}, {"auc": 0.86}), rows({"auc": 0.9}, {"auc": 0.8}), rows()),
}  # fmt: skip


def test_every_claim_has_its_case():
  assert len(claims.CLAIMS) == len(CASES)
  for claim, start in zip(claims.CLAIMS, CASES, strict=True):
    assert claim.text.startswith(start)
    assert claim.experiment in EXPERIMENTS and claim.rule.endswith(".")


@pytest.mark.parametrize("number", range(len(CASES)), ids=list(CASES))
def test_rules(number):
  claim = claims.CLAIMS[number]
  for results, verdict in zip(
    list(CASES.values())[number], ("confirmed", "not confirmed", "not tested"), strict=True
  ):
    line = claims.verdicts({claim.experiment: results})[number]
    assert line["verdict"] == verdict
    assert bool(line["numbers"]) == (verdict != "not tested")


def test_nothing_was_run():
  assert {line["verdict"] for line in claims.verdicts({})} == {"not tested"}
