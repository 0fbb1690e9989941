"""The 3-D ResNet-18: taps, shapes, depth kept."""

import keras
import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.models import MODELS
from hfc_tf.models.resnet18 import resnet18_3d
from hfc_tf.taps import TappedModel

THIN = (4, 6, 8, 10)


def test_every_relu_is_tapped_and_the_last_one_is_penultimate():
  model = resnet18_3d((16, 32, 32, 1), 4, widths=THIN)
  tapped = TappedModel(model)
  assert len(tapped.layers) == 17
  assert [tapped.widths[name] for name in tapped.layers] == [4] * 5 + [6] * 4 + [8] * 4 + [10] * 4
  assert tapped.penultimate == tapped.layers[-1]
  images = np.random.default_rng(0).random((3, 16, 32, 32, 1), np.float32)
  taps = tapped.taps(images)
  kernel, bias = taps.head
  np.testing.assert_allclose(
    taps.features[taps.penultimate] @ kernel + bias, taps.logits, rtol=1e-4, atol=1e-5
  )
  np.testing.assert_allclose(taps.logits, model(images), rtol=1e-4, atol=1e-5)


def test_graph_is_resnet_18_with_3_d_kernels():
  model = MODELS["resnet18_3d"]((16, 48, 48, 1), 4)
  convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv3D)]
  assert len(convolutions) == 20  # 17 and three shortcuts
  assert {layer.kernel_size for layer in convolutions} == {(3, 3, 3), (1, 1, 1)}
  assert [layer.filters for layer in convolutions if "shortcut" in layer.name] == [128, 256, 512]
  assert model.output_shape == (None, 4) and model.layers[-1].name == "logits"
  # 27 k C_in C_out and BatchNorm, by hand: stem, stages, shortcuts, logits.
  kernels = 27 * (64 + 4 * 64**2)
  for wide in (128, 256, 512):
    kernels += 27 * (wide // 2 * wide + 3 * wide**2) + wide // 2 * wide
  norms = 4 * (5 * 64 + 5 * 128 + 5 * 256 + 5 * 512)
  assert model.count_params() == kernels + norms + 512 * 4 + 4


@pytest.mark.parametrize(
  ("side", "first", "last"),
  [
    ((16, 48, 48), (8, 24, 24), (1, 3, 3)),
    ((10, 32, 32), (10, 16, 16), (2, 2, 2)),
    ((30, 128, 128), (15, 32, 32), (2, 4, 4)),
  ],
)
def test_stem_follows_the_volume(side, first, last):
  model = resnet18_3d((*side, 1), 2, widths=THIN)
  assert model.get_layer("stem_relu").output.shape[1:-1] == first
  assert model.get_layer("stage4_block2_2_relu").output.shape[1:-1] == last


@pytest.mark.parametrize("shape", [(64, 64, 3), (16, 48, 48)])
def test_images_are_refused_in_one_line(shape):
  with pytest.raises(InputError, match=r"volumes of .*resnet18_3d"):
    resnet18_3d(shape, 2)
