"""Features read in pieces."""

import numpy as np
import pytest

from hfc_tf.densities import blocks as blocks_module
from hfc_tf.densities.blocks import Blocks
from hfc_tf.densities.gaussian import ShrunkGaussian


@pytest.fixture(autouse=True)
def small(monkeypatch):
  monkeypatch.setattr(blocks_module, "_BYTES", 1)


def test_blocks_are_the_rows_in_order():
  features = np.arange(1800, dtype=np.float32).reshape(600, 3)
  for blocks in (Blocks(features), Blocks([features[:100], features[100:]])):
    assert blocks.count == 600
    assert len(blocks) == len(list(blocks)) == 3
    assert max(map(len, blocks)) <= 256
    np.testing.assert_array_equal(np.concatenate(list(blocks)), features)
  rows = np.arange(599, 0, -2)
  chosen = Blocks(features, rows=rows)
  assert chosen.count == len(rows)
  np.testing.assert_array_equal(np.concatenate(list(chosen)), features[rows])


def test_a_sample_is_drawn_once_and_keyed_by_its_seed(monkeypatch):
  monkeypatch.setattr(blocks_module, "_SAMPLE", 100)
  features = np.arange(900.0)[:, None]
  found = Blocks(features).sample(0)
  assert found.shape == (100, 1)
  assert len(np.unique(found)) == 100
  np.testing.assert_array_equal(found, Blocks(features).sample(0))
  assert not np.array_equal(found, Blocks(features).sample(1))
  np.testing.assert_array_equal(Blocks(features[:90]).sample(0), features[:90])


@pytest.mark.parametrize("count,width", [(700, 12), (300, 400)])
def test_the_shrunk_gaussian_of_blocks_is_that_of_the_array(count, width, monkeypatch):
  features = np.random.default_rng(0).normal(size=(count, width)) * np.arange(1, width + 1)
  parts = ShrunkGaussian.fit(features)
  monkeypatch.setattr(blocks_module, "_BYTES", 2**28)
  whole = ShrunkGaussian.fit(features)
  np.testing.assert_allclose(parts.eigenvalues, whole.eigenvalues, rtol=1e-9)
  np.testing.assert_allclose(parts.floor, whole.floor, rtol=1e-9)
  np.testing.assert_allclose(parts.log_volume, whole.log_volume, rtol=1e-9)
