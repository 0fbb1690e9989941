import numpy as np
import pytest

from hfc_tf.models import resnet50
from hfc_tf.taps import TappedModel

torch = pytest.importorskip("torch")


def test_logits_and_taps_are_those_of_keras():
  from benchmarks.peers.torch_resnet50 import ResNet50

  model = resnet50((64, 64, 3), 2)
  rng = np.random.default_rng(0)
  for layer in model.layers:  # BatchNorm and biases as after a training
    values = layer.get_weights()
    if layer.name.endswith("_bn"):
      layer.set_weights([rng.uniform(0.5, 1.5, value.shape) for value in values])
    elif values:
      layer.set_weights([values[0], rng.normal(size=values[1].shape)])
  images = rng.random((2, 64, 64, 3), np.float32)
  weights = {
    f"{layer.name}/{index}": value
    for layer in model.layers
    for index, value in enumerate(layer.get_weights())
  }
  taps = TappedModel(model).taps(images, batch_size=2)
  with torch.no_grad():
    logits, maps = ResNet50(weights).taps(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
  scale = np.abs(taps.logits).max()
  np.testing.assert_allclose(logits.numpy(), taps.logits, atol=1e-3 * scale)
  assert len(maps) == len(taps.features) - 1 == 48
  for activation, expected in zip(maps, list(taps.features.values())[1:], strict=True):
    actual = activation.mean((2, 3)).numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())
