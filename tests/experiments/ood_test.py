import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.experiments import ood
from hfc_tf.report.ood import published
from hfc_tf.taps import Taps
from tests.experiments import shared


def taps(rng, count=120, width=6):
  labels = np.arange(count) % 2
  features = rng.normal(labels[:, None], 1 + 0.3 * np.arange(width), (count, width))
  logits = np.eye(2)[labels].astype(np.float32)
  return Taps({"last": features.astype(np.float32)}, logits, labels.astype(np.int32), "last")


def test_score_is_the_form_of_the_likeliest_component_of_the_predicted_class():
  train = taps(np.random.default_rng(0))
  density = HierarchicalDensity(3, seed=1).fit(train)
  found = ood.hfc_score(density, train)
  for row in range(0, len(train), 7):
    mixture = density.mixtures_["last"][train.predictions[row]].distribution
    x = train.features["last"][row].astype(np.float64)
    parts = mixture.components_distribution
    joint = np.log(mixture.mixture_distribution.probs_parameter()) + parts.log_prob(x)
    chosen = int(np.argmax(joint))
    offset = x - parts.mean().numpy()[chosen]
    covariance = parts.covariance().numpy()[chosen]
    expected = offset @ np.linalg.solve(covariance, offset)
    assert found[row] == pytest.approx(expected, rel=1e-3)


def test_score_follows_the_prediction_and_not_the_label():
  train = taps(np.random.default_rng(0))
  density = HierarchicalDensity(1).fit(train)
  swapped = Taps(train.features, train.logits[:, ::-1], train.labels, "last")
  assert not np.allclose(ood.hfc_score(density, train), ood.hfc_score(density, swapped))
  far = Taps({"last": train.features["last"] + 50}, train.logits, train.labels, "last")
  assert ood.hfc_score(density, far).min() > ood.hfc_score(density, train).max()
  assert tf.executing_eagerly()


def test_lesions_from_the_command_line():
  assert ood.lesions(["small:2", "large:1"]) == [("small", 2), ("large", 1)]
  for wrong in ("small", "huge:1", "small:0", "small:7", "small:x"):
    with pytest.raises(InputError, match="size:number"):
      ood.lesions([wrong])


def test_published_table():
  assert published("chest", "small", 2) == pytest.approx({"auc": 0.944, "false_rate": 0.012})
  assert published("fundus", "medium", 1)["auc"] == pytest.approx(0.849)
  assert published("chest", "tiny", 2) == {}


def test_experiment():
  found = ood.run(shared.config(), [("tiny", 1), ("large", 3)], draws=2)
  tiny, large = found["rows"]
  assert (tiny["size"], tiny["count"], tiny["auc_paper"]) == ("tiny", 1, None)
  assert large["auc_paper"] == pytest.approx(0.997)
  for row in (tiny, large):
    assert row["n_lesions"] == round((1 - row["false_rate"]) * 2 * row["n_clean"])
    assert row["auc_low"] <= row["auc"] <= row["auc_high"]
  assert large["auc"] > tiny["auc"]
  again = ood.run(shared.config(), [("tiny", 1), ("large", 3)], draws=2)
  assert again["rows"] == found["rows"]
  assert shared.page(found).count('src="data:image/png') == 2


def test_no_draws():
  with pytest.raises(InputError, match="at least one draw"):
    ood.run(shared.config(), draws=0)
