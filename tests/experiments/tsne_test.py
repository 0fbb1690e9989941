import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import tsne
from tests.experiments import shared


def test_separability_of_like_and_unlike():
  rng = np.random.default_rng(0)
  normal = rng.normal(size=(400, 5))
  like = tsne.separability(normal, rng.normal(size=(300, 5)), 0)
  far = tsne.separability(normal, rng.normal(size=(300, 5)) + 40, 0)
  # 600 images: three standard deviations of a fair coin
  assert like.neighbours == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(600))
  assert abs(like.silhouette) < 0.02 and like.distance == pytest.approx(1, abs=0.1)
  assert far.neighbours == 1.0 and far.silhouette > 0.9 and far.distance > 40
  assert tsne.separability(normal, normal[:1], 0) == (None, None, None)


def test_what_lies_too_close_shows_in_the_distance():
  normal = np.random.default_rng(0).normal(size=(400, 5))
  hidden = 0.1 * np.random.default_rng(1).normal(size=(400, 5))
  found = tsne.separability(normal, hidden, 0)
  assert found.distance < 1 and found.neighbours > 0.8


def test_separability_takes_equal_sides():
  # 30 of the many fall together with the few: unequal sides would give the many their own kind.
  rng = np.random.default_rng(1)
  shares = [
    tsne.separability(rng.normal(size=(3000, 2)), rng.normal(size=(40, 2)), seed).neighbours
    for seed in range(10)
  ]
  assert np.mean(shares) == pytest.approx(0.5, abs=0.06)


def test_experiment():
  config = shared.config(hfc=True, hfc_weights=("1",))
  found = tsne.run(config, ["1", "9"])
  groups = ("clean_original", "attack", "hfc")
  assert [(r["layer_number"], r["group"]) for r in found["rows"]] == [
    (number, group) for number in (1, 9) for group in groups
  ]
  for row in found["rows"]:
    assert row["neighbours"] is None or 0 <= row["neighbours"] <= 1
    assert row["hfc_weight"] == (1.0 if row["group"] == "hfc" else 0.0)
  text = shared.page(found)
  assert "synthetic" in text and text.count('src="data:image/png') == 2
  assert "layer 9 of 9" in text


def test_unknown_layer():
  with pytest.raises(InputError, match="a layer from 1 to 9"):
    tsne.run(shared.config(), ["10"])
