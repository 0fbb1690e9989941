"""One small classifier in Keras and in PyTorch, of the same weights."""

import functools

import numpy as np

from hfc_tf.taps import TappedModel
from tests.attacks.worlds import balanced, random_images

SHAPE, CLASSES, EPS, STEPS = (16, 16, 3), 4, 8 / 256, 12


@functools.cache
def keras_twin():
  """The network and its tapped model."""
  network = balanced(SHAPE, CLASSES, sharpness=10.0)
  return network, TappedModel(network)


def torch_twin():
  """The same network, on images [N, C, H, W]."""
  import torch

  network, _ = keras_twin()

  def tensor(array, *axes):
    return torch.tensor(np.ascontiguousarray(np.transpose(array, axes) if axes else array))

  layers = [torch.nn.Conv2d(3, 6, 3), torch.nn.Conv2d(6, 10, 3), torch.nn.BatchNorm2d(10, 1e-3)]
  head = torch.nn.Linear(10, CLASSES)
  state = {}
  for name, layer in zip(("first", "second"), layers[:2], strict=True):
    kernel, bias = network.get_layer(name).get_weights()
    layer.load_state_dict({"weight": tensor(kernel, 3, 2, 0, 1), "bias": tensor(bias)})
  normalization = next(x for x in network.layers if type(x).__name__ == "BatchNormalization")
  names = ("weight", "bias", "running_mean", "running_var")
  state = dict(zip(names, map(tensor, normalization.get_weights()), strict=True))
  layers[2].load_state_dict(state, strict=False)
  kernel, bias = network.get_layer("logits").get_weights()
  head.load_state_dict({"weight": tensor(kernel, 1, 0), "bias": tensor(bias)})

  class Twin(torch.nn.Module):
    def __init__(self):
      super().__init__()
      self.layers, self.head = torch.nn.ModuleList(layers), head

    def forward(self, images):
      first, second, norm = self.layers
      x = torch.relu(norm(second(torch.relu(first(images)))))
      return self.head(x.mean((2, 3)))

  return Twin().eval()


@functools.cache
def subjects(count=12):
  """Images and the classes that the model gives them."""
  images = random_images(SHAPE, count, seed=2)
  labels = keras_twin()[1].taps(images).predictions
  assert len(set(labels)) > 1
  return images, labels


def to_torch(array):
  """An array as a tensor; images with their channels first."""
  import torch

  array = np.asarray(array)
  if array.ndim == 4:
    return torch.tensor(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))
  return torch.tensor(array.astype(np.int64))


def from_torch(tensor):
  """Images with their channels last."""
  return tensor.detach().numpy().transpose(0, 2, 3, 1)


def lengths(images, clean):
  """L2 norms of the perturbations, [N]."""
  return np.linalg.norm((images - clean).reshape(len(clean), -1), axis=1)
