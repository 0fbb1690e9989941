"""Features read in pieces."""

import numpy as np
import pytest

from hfc_tf.densities import GaussianMixture
from hfc_tf.densities import blocks as blocks_module
from hfc_tf.densities.blocks import Blocks
from hfc_tf.densities.gaussian import ShrunkGaussian


@pytest.fixture(autouse=True)
def small(monkeypatch):
  monkeypatch.setattr(blocks_module, "_BYTES", 1)


def test_blocks_are_the_rows_in_order():
  features = np.arange(1800, dtype=np.float32).reshape(600, 3)
  blocks = Blocks(features)
  assert blocks.count == 600
  assert [len(block) for block in blocks] == [256, 256, 88]
  np.testing.assert_array_equal(np.concatenate(list(blocks)), features)
  rows = np.arange(599, 0, -2)
  chosen = Blocks(features, rows=rows)
  assert chosen.count == len(rows)
  np.testing.assert_array_equal(np.concatenate(list(chosen)), features[rows])


def test_a_mixture_of_a_file_read_in_blocks_is_that_of_memory(tmp_path, monkeypatch):
  features = np.random.default_rng(0).normal(size=(1000, 12)).astype(np.float32)
  features.tofile(tmp_path / "features")
  mapped = np.memmap(tmp_path / "features", np.float32, "r", shape=features.shape)
  blockwise = GaussianMixture.fit(mapped, 5, tolerance=1e-6)
  monkeypatch.setattr(blocks_module, "_BYTES", 2**28)
  whole = GaussianMixture.fit(features, 5, tolerance=1e-6)
  np.testing.assert_allclose(blockwise.log_prob(features), whole.log_prob(features), rtol=1e-4)


@pytest.mark.parametrize("count,width", [(700, 12), (300, 400)])
def test_the_shrunk_gaussian_of_blocks_is_that_of_the_array(count, width, monkeypatch):
  features = np.random.default_rng(0).normal(size=(count, width)) * np.arange(1, width + 1)
  blockwise = ShrunkGaussian.fit(features)
  monkeypatch.setattr(blocks_module, "_BYTES", 2**28)
  whole = ShrunkGaussian.fit(features)
  np.testing.assert_allclose(blockwise.eigenvalues, whole.eigenvalues, rtol=1e-9)
  np.testing.assert_allclose(blockwise.floor, whole.floor, rtol=1e-9)
  np.testing.assert_allclose(blockwise.log_volume, whole.log_volume, rtol=1e-9)
