import dataclasses

import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.evaluation import metrics
from hfc_tf.evaluation.protocol import AttackResult, detection_rows
from hfc_tf.taps import Taps

N = 120  # 30 and 90 of a class
LABELS = (np.arange(N) % 4 > 0).astype(np.int32)


def rows_of(clean, *results):
  """Of a detector that reads the first channel, with a threshold of 0.5."""
  results = {str(number): result for number, result in enumerate(results)}
  taps = {"clean": clean, **{label: result.taps for label, result in results.items()}}
  scores = {label: each.features["last"][:, 0] for label, each in taps.items()}
  return detection_rows("first", 0.5, clean, results, scores)


def taps(scores, predictions):
  logits = np.eye(2, dtype=np.float32)[predictions]
  features = {"last": np.asarray(scores, np.float32)[:, None]}
  return Taps(features, logits, LABELS, "last", None, np.arange(N) // 2)


def result_of(scores, success, hfc=False, **changes):
  targets = 1 - LABELS
  predictions = np.where(success, targets, LABELS)
  eight_bit = np.where(success & (np.arange(N) != 0), targets, LABELS)
  made = AttackResult(
    attack="bim",
    hfc=hfc,
    hfc_weight=1.0 if hfc else 0.0,
    weight_rule="paper" if hfc else None,
    eps_256=4,
    step_size_256=0.2,
    steps=40,
    taps=taps(scores, predictions),
    targets=targets,
    predictions_8bit=eight_bit,
    images=np.zeros((N, 1)),
  )
  return dataclasses.replace(made, **changes)


@pytest.fixture(scope="module")
def taps_and_results():
  rng = np.random.default_rng(0)
  clean = taps(rng.normal(size=N), LABELS)
  plain = result_of(rng.normal(1, 1, N), np.arange(N) % 10 != 9)
  hidden = result_of(rng.normal(-1, 1, N), np.arange(N) % 5 != 0, hfc=True)
  return clean, plain, hidden


def by_population(rows):
  return {(row.hfc, row.hfc_weight, row.population): row for row in rows}


def test_successful_adversarials_against_all_clean_images(taps_and_results):
  clean, plain, hidden = taps_and_results
  rows = by_population(rows_of(clean, plain, hidden))
  assert len(rows) == 4
  for attack, row in (
    (plain, rows[False, 0.0, "successful"]),
    (hidden, rows[True, 1.0, "successful"]),
  ):
    ok = attack.taps.predictions == 1 - LABELS
    c, a = clean.features["last"][:, 0], attack.taps.features["last"][ok, 0]
    assert row.n_adversarial == ok.sum() < N == row.n_clean
    assert row.auc == metrics.auc(c, a)
    assert row.auc_within_class == metrics.auc_within_class(c, LABELS, a, 1 - LABELS[ok])
    assert row.auc_two_sided == max(row.auc, 1 - row.auc)
    areas = [each.auc for each in row.by_class]
    assert row.auc_within_class == pytest.approx(np.mean(areas))
    assert row.auc_within_class_two_sided == np.mean([max(area, 1 - area) for area in areas])
    assert row.auc_low < row.auc < row.auc_high
    assert row.auc_within_class_low < row.auc_within_class < row.auc_within_class_high
    assert row.tpr_at_90_tnr == np.mean(a > 0.5)
    assert row.tnr_at_threshold == np.mean(c <= 0.5)
    if row.population == "both_arms":
      assert row.evasion_rate is None
    else:  # of attacked images, those that reach the target and are not flagged
      assert row.evasion_rate == pytest.approx(row.adv_acc * (1 - row.tpr_at_90_tnr))
    assert row.tpr_at_90_tnr_test_threshold == np.mean(a > np.sort(c)[107])
    assert row.adv_acc == ok.mean()
    assert row.adv_acc_low < row.adv_acc < row.adv_acc_high
    assert row.adv_acc_8bit == np.mean(attack.predictions_8bit == 1 - LABELS)
  assert rows[False, 0.0, "successful"].adv_acc_8bit == plain.success.mean() - 1 / N
  assert rows[True, 1.0, "successful"].auc < 0.5  # the side is not turned to suit the test


def test_both_arms_share_their_images(taps_and_results):
  clean, plain, hidden = taps_and_results
  weak = result_of(np.zeros(N), np.arange(N) > 10, hfc=True, hfc_weight=4.0)
  rows = by_population(rows_of(clean, plain, hidden, weak))
  both = plain.success & hidden.success & weak.success
  assert 0 < both.sum() < min(plain.success.sum(), hidden.success.sum())
  for key in ((False, 0.0), (True, 1.0), (True, 4.0)):
    assert rows[*key, "both_arms"].n_adversarial == both.sum()
    assert rows[*key, "both_arms"].adv_acc == rows[*key, "successful"].adv_acc
  expected = metrics.auc(clean.features["last"][:, 0], hidden.taps.features["last"][both, 0])
  assert rows[True, 1.0, "both_arms"].auc == expected


def test_another_attack_is_no_partner(taps_and_results):
  clean, plain, hidden = taps_and_results
  other = dataclasses.replace(hidden, attack="pgd")
  rows = rows_of(clean, plain, other)
  assert [row.population for row in rows] == ["successful", "successful"]


def test_attack_that_never_fools(taps_and_results):
  clean, *_ = taps_and_results
  (row,) = rows_of(clean, result_of(np.ones(N), np.zeros(N, bool)))
  assert row.n_adversarial == 0 and row.adv_acc == 0 and row.adv_acc_high > 0
  assert row.auc is row.auc_low is row.auc_within_class is row.tpr_at_90_tnr is None
  assert row.tnr_at_threshold > 0


def test_intervals_resample_patients(taps_and_results):
  clean, plain, _ = taps_and_results
  single = dataclasses.replace(clean, groups=None)
  rows = [rows_of(t, plain)[0] for t in (clean, single)]
  assert rows[0].auc == rows[1].auc and rows[0].auc_low != rows[1].auc_low


def test_refuses_an_attack_without_all_images(taps_and_results):
  clean, plain, _ = taps_and_results
  short = dataclasses.replace(plain, taps=plain.taps[:10], targets=plain.targets[:10])
  with pytest.raises(InputError, match="expected 120 attacked images"):
    rows_of(clean, short)


def test_rows_say_which_attack_they_are_about(taps_and_results):
  clean, _, hidden = taps_and_results
  (row,) = rows_of(clean, hidden)
  assert (row.attack, row.hfc, row.hfc_weight, row.weight_rule) == ("bim", True, 1.0, "paper")
  assert (row.eps_256, row.step_size_256, row.steps, row.detector) == (4, 0.2, 40, "first")
