"""The files that contenders read: one network, one batch, one density, one set of features."""

from __future__ import annotations

import functools
import pathlib
from typing import Any

import keras
import numpy as np

from benchmarks.settings import Settings
from hfc_tf.densities import GaussianMixture, HierarchicalDensity, ShrunkGaussian
from hfc_tf.models import MODELS
from hfc_tf.study.stages import load_taps
from hfc_tf.taps import TappedModel

Array = np.ndarray[Any, Any]


class Subject:
  """Each file is written when its path is first asked for.

  Args:
    folder: where.
    settings: of the run.
  """

  def __init__(self, folder: str, settings: Settings) -> None:
    self.settings = settings
    self._folder = pathlib.Path(folder)

  @functools.cached_property
  def model(self) -> keras.Model:
    """A network of drawn weights with logits between -1 and 1.

    Large ones would leave softmax without a gradient, and small floats are slow in some libraries.
    """
    size = self.settings.image_size
    model = MODELS[self.settings.model]((size, size, 3), 2, seed=0)
    head = model.get_layer("logits")
    logits = TappedModel(model).taps(self._images, batch_size=len(self._images)).logits
    head.kernel.assign(head.kernel / np.abs(logits).max())
    return model

  @functools.cached_property
  def network(self) -> str:
    """The network as a .keras file."""
    path = self._folder / "network.keras"
    self.model.save(path)
    return str(path)

  @functools.cached_property
  def weights(self) -> str:
    """The network's weights as npz, "LAYER/INDEX" -> array."""
    arrays = {
      f"{layer.name}/{index}": np.asarray(value)
      for layer in self.model.layers
      for index, value in enumerate(layer.get_weights())
    }
    return self._save("weights", arrays)

  @functools.cached_property
  def inputs(self) -> str:
    """Images [B, H, W, C] in [0, 1] and targets int32 [B], all class 1."""
    targets = np.ones(self.settings.batch_size, np.int32)
    return self._save("inputs", {"images": self._images, "targets": targets})

  @functools.cached_property
  def density(self) -> str:
    """A density of M components on every tap; what a step costs does not depend on its values."""
    widths = TappedModel(self.model).widths
    path = self._folder / "density.npz"
    draw_density(widths, self.settings.components).save(path)
    return str(path)

  @functools.cached_property
  def class_features(self) -> str:
    """Features of every class for EM, "CLASS/LAYER" -> [N, C_l]: from a file, or drawn."""
    arrays = {
      f"{label}/{name}": values
      for label, features in self._features.items()
      for name, values in features.items()
    }
    return self._save("class_features", arrays)

  @functools.cached_property
  def _features(self) -> dict[int, dict[str, Array]]:
    """Class -> layer -> [N, C_l]."""
    most = self.settings.em_images
    if self.settings.features:
      taps = load_taps(pathlib.Path(self.settings.features))
      rows = {label: np.flatnonzero(taps.labels == label)[:most] for label in set(taps.labels)}
      return {
        int(label): {name: values[indices] for name, values in taps.features.items()}
        for label, indices in rows.items()
      }
    widths = TappedModel(self.model).widths
    rng = np.random.default_rng(0)
    features = {}
    for label in range(2):
      latent = rng.normal(size=(most, 16))
      features[label] = {name: _activations(rng, latent, widths[name]) for name in widths}
    return features

  @property
  def _images(self) -> Array:
    size = self.settings.image_size
    shape = (self.settings.batch_size, size, size, 3)
    return np.random.default_rng(0).random(shape, np.float32)

  def _save(self, name: str, arrays: dict[str, Any]) -> str:
    path = self._folder / f"{name}.npz"
    np.savez(path, **arrays)
    return str(path)


def _activations(rng: np.random.Generator, latent: Array, width: int) -> Array:
  """Correlated, at least 0, as channel means behind ReLU are: [N, C]."""
  mixed = latent @ rng.normal(size=(latent.shape[1], width))
  return np.maximum(mixed + rng.normal(size=mixed.shape), 0).astype(np.float32)


def draw_density(widths: dict[str, int], components: int) -> HierarchicalDensity:
  """A density of two classes with arbitrary parameters and no axis missing at any width."""
  density = HierarchicalDensity(components)
  rng = np.random.default_rng(0)
  density.mixtures_ = {}
  for name, width in widths.items():
    size = min(density.subspace, width)
    base = ShrunkGaussian(
      mean=np.full(width, 0.5),
      scale=np.ones(width),
      basis=np.eye(width),
      eigenvalues=np.linspace(2, 0.1, width),
      floor=0.05,
    )
    mixture = GaussianMixture(
      base,
      weights=np.full(components, 1 / components),
      means=rng.normal(size=(components, size)),
      covariances=np.tile(np.eye(size), (components, 1, 1)),
    )
    density.mixtures_[name] = [mixture, mixture]
  return density
