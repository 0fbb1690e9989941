"""Who is attacked: targets by rule, name or number; rare classes; images of a fixed target."""

import types

import numpy as np
import pytest

from hfc_tf.data import splits
from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError
from hfc_tf.evaluation import metrics
from hfc_tf.study import sources
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from tests.experiments import shared

NAMES = ("NORMAL", "PNEUMONIA", "2")


def _dataset(counts=(100, 80, 60)):
  labels = np.repeat(np.arange(3, dtype=np.int32), counts)
  size = len(labels)
  return Dataset("toy", "directory", np.zeros((size, 1, 1, 1), np.uint16), labels,
                 [f"{row}.png" for row in range(size)], None, NAMES)  # fmt: skip


def _select(tmp_path, dataset, wrong=(), **changes):
  config = Config(out=str(tmp_path), **changes)
  logits = 5 * np.eye(3)[dataset.labels]
  logits[list(wrong)] = np.roll(logits[list(wrong)], 1, 1)
  test = types.SimpleNamespace(
    labels=dataset.labels, logits=logits, predictions=logits.argmax(1).astype(np.int32)
  )
  split = splits.Split(train=np.zeros(0, np.int64), test=np.arange(len(dataset)), seed=0)
  return sources.select(config, dataset, split, test)


@pytest.mark.parametrize(
  "rule,wanted",
  [("random", "random"), ("PNEUMONIA", "1"), ("pneumonia", "1"), ("0", "0"), ("2", "2")],
)
def test_targets_are_rules_names_or_numbers(rule, wanted):
  assert sources.target_rule(rule, _dataset()) == wanted


def test_no_limit_of_advtrain_is_all_of_it(tmp_path):
  sizes = {
    most: len(_select(tmp_path, _dataset(), max_adv_train=most)[0]["adv_train"])
    for most in (0, 50, 400)
  }
  assert sizes == {0: 168, 50: 50, 400: 168}  # 70 % of 240 images


@pytest.mark.parametrize("rule", ["3", "-1", "norm", ""])
def test_other_targets_are_one_line(rule):
  with pytest.raises(InputError, match="--target among random, next, least_likely, NORMAL"):
    sources.target_rule(rule, _dataset())


def test_a_fixed_target_keeps_clean_images_of_its_class(tmp_path):
  dataset = _dataset()
  random = _select(tmp_path, dataset)
  fixed = _select(tmp_path, dataset, target="PNEUMONIA")
  for subset in ("adv_train", "adv_test"):
    np.testing.assert_array_equal(fixed[0][subset], random[0][subset])
    assert (fixed[1][subset] == 1).all()
    assert (dataset.labels[fixed[0][subset]] == 1).any()
    assert (random[1][subset] != dataset.labels[random[0][subset]]).all()


def test_a_rare_class_is_left_out_with_its_counts(tmp_path):
  dataset = _dataset()
  rows_of, _, left_out = _select(
    tmp_path, dataset, wrong=range(185, 240)
  )  # of the last class 5 are right
  assert left_out == [
    "Class 2 is left out of the attack: of its 60 Test images the classifier gets 5 right, and "
    "AdvTrain and AdvTest together need 10 of several patients."
  ]
  assert all(set(dataset.labels[rows].tolist()) == {0, 1} for rows in rows_of.values())
  assert _select(tmp_path, dataset)[2] == []
  with pytest.raises(InputError, match="100 of class NORMAL, 0 of class PNEUMONIA, 0 of class 2"):
    _select(tmp_path, dataset, wrong=range(100, 240))


def test_what_is_known_before_the_training_is_said_before(tmp_path):
  split = splits.Split(train=np.zeros(0, np.int64), test=np.arange(189))
  (text,) = sources.check(Config(), _dataset((100, 80, 9)), split)
  assert text == "Class 2 has 9 Test images, fewer than 10: it is not attacked."
  with pytest.raises(InputError, match="9 of class PNEUMONIA, 9 of class 2"):
    sources.check(Config(), _dataset((171, 9, 9)), split)
  with pytest.raises(InputError, match="--target among"):
    Study(shared.config(target="cat", model_path=None, out=str(tmp_path)).resolved())
  assert not (tmp_path / "artefacts" / "classifier").exists()


def test_a_study_with_a_fixed_target_scores_against_all_clean_images(monkeypatch):
  monkeypatch.setattr(metrics, "FEWEST", 1)  # a small study
  from hfc_tf.study import comparison

  study = Study(shared.config(target="0", detectors=("maha",)).resolved())
  compared = comparison.compare(study, "bim")
  aimed = study.aimed("adv_test")
  assert 0 < aimed.sum() < len(aimed)
  np.testing.assert_array_equal(
    compared.results["attack"].images[~aimed], study.images("adv_test", np.flatnonzero(~aimed))
  )
  (row,) = compared.rows()
  assert row.n_clean == len(aimed) and row.n_adversarial == compared.results["attack"].success.sum()
  assert row.adv_acc == pytest.approx(row.n_adversarial / aimed.sum())
  assert row.auc_within_class is not None


@pytest.mark.parametrize("least,refused", [(0.6, True), (0.0, False)])
def test_outputs_in_another_order_are_named(least, refused):
  config = Config(model_path="x.keras", min_accuracy=least)
  confusion = [[2, 97, 1], [1, 2, 57], [38, 1, 1]]  # its outputs are 2, NORMAL, PNEUMONIA
  hint = "with the model's outputs in another order, --classes=2,NORMAL,PNEUMONIA, it is 0.960"
  if refused:
    with pytest.raises(InputError, match=f"0.60 on Test; found 0.025; {hint}"):
      sources.check_accuracy(config, confusion, NAMES)
  else:
    assert sources.check_accuracy(config, confusion, NAMES) == [
      f"The classifier's accuracy is 0.025; {hint}."
    ]


@pytest.mark.parametrize("confusion", [[[0, 30], [0, 20]], [[28, 22], [24, 26]]])
def test_no_order_is_named_for_a_classifier_that_learnt_nothing(confusion):
  config = Config(model_path="x.keras")
  with pytest.raises(InputError, match="check --preprocessing, train longer"):
    sources.check_accuracy(config, confusion, ("a", "b"))
  assert sources.check_accuracy(Config(min_accuracy=0.0), [[1, 9], [9, 1]], ("a", "b")) == []
