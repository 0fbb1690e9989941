"""The options of detectors that flags reach: each is the constructor's and changes something."""

import inspect

import numpy as np
import pytest

from hfc_tf.detectors import DETECTORS, OPTIONS
from hfc_tf.variants import parse


def test_every_detector_has_its_line_and_every_option_is_the_constructors():
  assert set(OPTIONS) == set(DETECTORS)
  for name, options in OPTIONS.items():
    assert set(options) <= set(inspect.signature(DETECTORS[name]).parameters) - {"seed"}, name


@pytest.mark.parametrize(
  "text",
  [
    "kd(form=eq20)", "bu(passes=5)", "bu(rate=0.6)", "lid(k=5)", "lid(reference_size=40)",
    "maha(mean=single)", "svm(costs=0.01)", "svm(gammas=20)", "dnn(units=8)", "dnn(epochs=1)",
    "dnn(patience=1,learning_rate=0.1)", "dnn(learning_rate=0.1)", "dnn(weight_decay=0.9)",
    "dnn(batch_size=16)", "knn(k=3)", "knn(reference_size=50)",
    "knn(calibration=0.5)", "hfc_score(components=2)",
  ],
)  # fmt: skip
def test_each_changes_the_scores(world, text):
  name, options = parse(text)
  plain, other = (
    DETECTORS[name](**given).fit(world.train, **world.adv_train).score(world.test_adversarial)
    for given in ({}, options)
  )
  assert not np.allclose(plain, other, rtol=1e-4)


def test_a_single_value_is_a_choice_of_one(world):
  one, same = (
    DETECTORS["svm"](costs, gammas).fit(world.train, **world.adv_train).score(world.test_clean)
    for costs, gammas in ((10, 0.5), ([10], [0.5]))
  )
  np.testing.assert_array_equal(one, same)
