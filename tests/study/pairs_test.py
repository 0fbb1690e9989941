"""Differences of two attacks on the same patients."""

import types

import numpy as np
import pytest

from hfc_tf.study.pairs import form_of_hfc, pair

N = 120


def world(*shifts, rules=(None, "paper", "balanced"), n=N, noise=0.3):
  """A comparison of attacks whose scores lie so far above the clean ones', of one detector."""
  rng = np.random.default_rng(0)
  classes, base = np.arange(n) % 2, rng.normal(size=n)
  scores, results = {"clean": base}, {}
  for shift, rule in zip(shifts, rules, strict=False):
    label = rule or "attack"
    scores[label] = base[::-1] + shift + noise * rng.normal(size=n)
    taps = types.SimpleNamespace(predictions=1 - classes)
    results[label] = types.SimpleNamespace(
      success=np.ones(n, bool), taps=taps, hfc=rule is not None, weight_rule=rule
    )
  clean = types.SimpleNamespace(predictions=classes, groups=np.arange(n) // 2)
  return types.SimpleNamespace(clean=clean, results=results, scores={"kd": scores})


def test_a_difference_has_its_sign_and_an_interval_around_it():
  compared = world(2.0, 1.0)
  (row,) = pair("method", (compared, "paper"), (compared, "attack"), second="none")
  assert (row.first, row.second, row.n_first, row.detectors) == ("paper", "none", N, 1)
  assert row.low < row.difference < row.high < 0
  (back,) = pair("method", (compared, "attack"), (compared, "paper"))
  assert back.difference == pytest.approx(-row.difference)
  assert (back.low, back.high) == pytest.approx((-row.high, -row.low))


def test_pairing_makes_the_interval_narrower_than_two_of_their_own():
  alike = world(1.0, 1.0, noise=0.01)
  (row,) = pair("budget", (alike, "paper"), (alike, "attack"))
  assert row.low < 0 < row.high and row.high - row.low < 0.05


def test_two_sided_and_too_few():
  far = world(2.0, -2.0)  # as far below as above: no better hidden
  (row,) = pair("method", (far, "paper"), (far, "attack"))
  assert row.low < 0 < row.high
  few = world(2.0, 1.0, n=20)
  assert pair("method", (few, "paper"), (few, "attack")) == []


def test_the_form_of_hfc():
  assert form_of_hfc(world(1.0, 1.0, 1.0)) == "balanced"
  assert form_of_hfc(world(1.0, 1.0)) == "paper"
  assert form_of_hfc(world(1.0)) is None
