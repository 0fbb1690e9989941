"""Initial weights: drawn from a seed, from a file, or ImageNet's."""

import io
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py  # type: ignore[import-untyped]
import keras
import numpy as np
from absl import logging

from hfc_tf.errors import InputError
from hfc_tf.storage.hdf5 import hdf5_damage


def set_weights(
  model: keras.Model,
  seed: int,
  weights: str | None = None,
  imagenet: Callable[[], None] | None = None,
) -> keras.Model:
  """Draws every kernel from the seed, then loads the body from `weights`, if any.

  The body is every layer but "logits", "fc1" and "fc2"; the latter two are loaded where they fit.

  Args:
    model: a functional model whose last layer is named "logits"; it is changed and returned.
    seed: decides the draws, wherever the process's global seeds stand.
    weights: None; a .keras or .weights.h5 file, read by layer name; or "imagenet".
    imagenet: gives the body ImageNet's weights; None if there are none.

  Raises:
    InputError: the file is missing or damaged or lacks a layer, a shape differs, or ImageNet's
      weights do not fit or cannot be downloaded.
  """
  _draw(model, seed)
  if weights == "imagenet":
    channels = model.input_shape[-1]
    if imagenet is None or channels != 3:
      raise InputError(
        expected="a network of keras.applications on three channels for ImageNet's weights",
        actual=f"{model.name} on {channels} channel(s)",
        remedy="choose another model or leave --weights out",
      )
    try:
      imagenet()
    except Exception as error:  # keras.utils.get_file raises a bare Exception
      raise InputError(
        expected="ImageNet's weights from Keras's own download",
        actual=f"{error}",
        remedy="connect to the network or give --weights a file",
      ) from error
  elif weights is not None:
    with _open(Path(weights)) as file:
      _load(model, _layers(file), weights)
  return model


def leaves(layer: keras.Layer) -> list[keras.Layer]:
  """The layers of a model and of the models within it."""
  inner = getattr(layer, "layers", ())
  return [leaf for one in inner for leaf in leaves(one)] if inner else [layer]


def _draw(model: keras.Model, seed: int) -> None:
  """He-normal kernels (thirteen layers without BatchNorm fade under Glorot); biases stay zero."""
  by_channel = (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
  for index, layer in enumerate(model.layers):
    kernels = [weight for weight in layer.trainable_weights if len(weight.shape) > 1]
    for place, kernel in enumerate(kernels):
      draw = int(np.random.default_rng([seed, index, place]).integers(2**31))
      linear, shape = layer.name == "logits", tuple(kernel.shape)
      initializer = keras.initializers.GlorotUniform if linear else keras.initializers.HeNormal
      if isinstance(layer, by_channel) and place == 0:  # [h, w, C, 1]: one channel a kernel
        shape = (*shape[:2], 1, shape[2] * shape[3])
      kernel.assign(keras.ops.reshape(initializer(draw)(shape), kernel.shape))


def _load(model: keras.Model, layers: dict[str, list[h5py.Dataset]], source: str) -> None:
  """Copies by layer name; nothing is copied unless the whole body fits."""
  body = []
  for layer in leaves(model):
    if not layer.weights or layer.name == "logits":
      continue
    expected = [tuple(w.shape) for w in layer.weights]
    actual = [tuple(w.shape) for w in layers.get(layer.name, [])]
    if expected == actual:
      body.append(layer)
    elif layer.name not in ("fc1", "fc2"):
      raise InputError(
        expected=f"layer {layer.name} with weights of shapes {expected} in {source}",
        actual=f"shapes {actual}" if layer.name in layers else "no layer of that name",
        remedy=f"give weights of {model.name} for input shape {model.input_shape[1:]}",
      )
  values = [[np.asarray(w) for w in layers[layer.name]] for layer in body]
  for layer, value in zip(body, values, strict=True):
    if any(w.dtype.kind not in "fiu" or not np.isfinite(w).all() for w in value):
      damaged = f"NaN, infinity or no numbers in layer {layer.name}"
      raise InputError(f"finite weights in {source}", damaged, "save the file again")
  for layer, value in zip(body, values, strict=True):
    layer.set_weights(value)
  finalize(body)
  drawn = [each.name for each in leaves(model) if each.weights and each not in body]
  count = len(body) + len(drawn)
  logging.info("%d of %d layers start from %s; drawn: %s", len(body), count, source,
               ", ".join(drawn))  # fmt: skip


def finalize(layers: Iterable[keras.Layer]) -> None:
  """Lets normalisations, which compute with what they derived from their weights, derive it."""
  for layer in layers:
    if isinstance(layer, keras.layers.Normalization):
      layer.finalize_state()


def _open(path: Path) -> h5py.File:
  """The file of the weights alone; no code or configuration of the model is read."""
  actual = f"{path}"
  if path.name.endswith((".keras", ".weights.h5")):
    damage = hdf5_damage(path)
    if damage is None and path.suffix == ".keras":
      with zipfile.ZipFile(path) as archive:
        return h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r")
    if damage is None:
      return h5py.File(path, "r")
    actual = f"{path} ({damage})"
  raise InputError(
    expected="a readable .keras or .weights.h5 file",
    actual=actual,
    remedy="give --weights a file saved by Keras 3",
  )


def _layers(file: h5py.File) -> dict[str, list[h5py.Dataset]]:
  """Layer name -> its weights in order; Keras 3 keeps the name beside each group "vars"."""
  layers = {}

  def visit(path: str, item: h5py.Group | h5py.Dataset) -> None:
    if path.endswith("/vars") and isinstance(item, h5py.Group) and "name" in item.attrs:
      names = [str(i) for i in range(len(item))]
      # Links, external and virtual datasets could smuggle in another file of this machine.
      if all(isinstance(item.get(name, getlink=True), h5py.HardLink) for name in names) and not any(
        item[name].external or item[name].is_virtual for name in names
      ):
        layers[str(item.attrs["name"])] = [item[name] for name in names]

  file.visititems(visit)
  return layers
