"""A Keras classifier as a function from images to logits and channel means, checked when made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from scipy.special import expit, softmax

from hfc_tf import fast
from hfc_tf.errors import InputError
from hfc_tf.tapping.checks import (
  check_ends,
  is_coarse,
  model_outputs,
  random_images,
  reads_bytes,
  refuse_others,
)
from hfc_tf.tapping.graph import trace
from hfc_tf.tapping.head import affine, find_head
from hfc_tf.tapping.models import copy_weights, plain, with_bfloat16_body

Array = np.ndarray[Any, Any]
Tensor = Any
_FLOAT32, _COARSE = 1e-4, 0.05  # how far probabilities may be off


class Network:
  """The functional model `inputs -> logits, channel means of every activation`.

  Arguments and attributes are those of `TappedModel`; an InputError names what cannot be tapped.
  """

  def __init__(self, model: Any, precision: str, fold: bool) -> None:
    self._given = model
    name = f"{type(model).__name__} {getattr(model, 'name', '')!r}"
    graph_model = plain(model)
    if graph_model is None:
      raise InputError(
        "a functional or built Sequential Keras model",
        f"{name}, which is subclassed or not built",
        "rebuild it as keras.Model(inputs, outputs)",
      )
    check_ends(graph_model, name)
    self.input_shape = tuple(graph_model.inputs[0].shape[1:])
    self.dtype = graph_model.inputs[0].dtype
    # What `predict` of KerasHub's classifiers puts before the network.
    prepare = getattr(model, "preprocessor", None)
    self._prepare: Callable[[Tensor], Tensor] | None = prepare if callable(prepare) else None
    coarse = precision == "bfloat16"
    self._copy = with_bfloat16_body(graph_model, name) if coarse else None
    self._forms = fast.Forms() if fold else None
    graph = trace(self._copy or graph_model, self._forms)
    self.highest = 255.0 if self._prepare or reads_bytes(graph) else None
    self.tolerance = _COARSE if coarse or is_coarse(graph_model) else _FLOAT32
    images = random_images(graph, self.input_shape, str(self.dtype), self.highest or 1.0)
    head = find_head(graph, images, name, self.tolerance)
    taps: dict[str, Tensor] = {}
    for node in graph.ancestors(head.logits):
      if node.means is not None:
        taps[_unique(node.name, taps)] = node.means
    if not taps:
      hidden = f"; hidden in {', '.join(graph.opaque)}" if graph.opaque else ""
      raise InputError(
        "a network with activations (ReLU layers, or layers with a built-in activation)",
        f"{name} without any{hidden}",
        "give a model whose activations are Keras layers of a functional model",
      )
    self.penultimate = list(taps)[-1]
    if head.source is not None:
      self.penultimate = next(key for key, each in taps.items() if each is head.source.means)
    elif head.penultimate is not None:
      self.penultimate = _unique("penultimate", taps)
      taps[self.penultimate] = head.penultimate
    self.names = tuple(taps)
    self.widths = {key: int(each.shape[-1]) for key, each in taps.items()}
    self.single = head.single
    self.classes = 2 if head.single else int(head.logits.shape[-1])
    self._head = head
    self._gives_logits = head.logits is graph.outputs[0]
    self._function = keras.Function(graph.inputs, [head.logits, *taps.values()])
    self._checksum = fast.checksum(model.weights)
    self.head = affine(head)
    self._check(images, name)
    if graph.opaque:
      logging.warning(
        "%s: %d activations; those inside %s cannot be tapped",
        name, len(taps), ", ".join(graph.opaque),
      )  # fmt: skip
    logging.info("%s: %d activations tapped, head %s", name, len(taps), self.penultimate)

  def __call__(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits [B, K] and channel means {name: [B, C_l]}, float32, of what callers have."""
    return self._run(images if self._prepare is None else self._prepare(images))

  def _run(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The same of what the model reads."""
    dtype = tf.as_dtype(self.dtype)
    if dtype.is_floating:  # an integer cast would have no gradient; the layers take floats
      images = tf.cast(images, dtype)
    with tf.name_scope("network"):  # a layer's name may begin as no outermost scope may
      first, *means = self._function([images])
    logits = tf.reshape(tf.cast(first, tf.float32), [-1, 1 if self.single else self.classes])
    if self.single:
      logits = tf.concat([tf.zeros_like(logits), logits], axis=1)  # [B, 2]
    return logits, {
      name: tf.reshape(tf.cast(mean, tf.float32), [-1, self.widths[name]])
      for name, mean in zip(self.names, means, strict=True)
    }

  def refresh(self) -> None:
    """Takes over weights that were changed since: folded kernels and copies follow them."""
    checksum = fast.checksum(self._given.weights)
    if checksum == self._checksum:
      return
    self._checksum = checksum
    if self._copy is not None:
      copy_weights(plain(self._given), self._copy)
    if self._forms is not None:
      self._forms.refresh()
    self.head = affine(self._head) if self.head is not None else None

  def head_error(self, features: Any, logits: Array) -> float:
    """How far z(x) kernel + bias is from the logits, as a share of their size; 0 without a head."""
    if self.head is None:
      return 0.0
    linear = np.asarray(features[self.penultimate], np.float64) @ self.head[0] + self.head[1]
    return float(np.abs(linear - logits).max() / max(1.0, np.abs(logits).max()))

  def check_head(self, features: Any, logits: Array) -> None:
    """Raises unless the head gives the logits of these images, not of random ones alone."""
    if self.head_error(features, logits) > 10 * self.tolerance:
      raise InputError(
        f"logits that are an affine function of tap {self.penultimate!r}",
        "others on these images",
        "end the model in a plain Dense layer",
      )

  def _check(self, images: Array, name: str) -> None:
    """Compares the probabilities with those of the given model, and the head with the logits."""
    given, again = (model_outputs(self._given, images) for _ in range(2))
    logits, features = self._run(tf.constant(images))
    logits = np.asarray(logits, np.float64)
    ours = logits[:, 1:] if self.single else logits

    def probabilities(values: Array) -> Array:
      return np.asarray(expit(values) if self.single else softmax(values, 1))

    if not np.allclose(given, again, rtol=0, atol=self.tolerance):
      logging.warning("%s draws at random in inference mode; its taps do not", name)
    elif self._gives_logits:  # softmax hides errors where it is saturated
      both = probabilities(given), probabilities(ours)
      refuse_others("probabilities", name, *both, self.tolerance)
      scale = max(1.0, float(np.abs(given).max()))
      refuse_others("logits", name, given, ours, self.tolerance * scale)
    else:
      refuse_others("probabilities", name, given, probabilities(ours), self.tolerance)
    if self.head_error(features, logits) > self.tolerance:
      self.head = None


def highest(model: keras.Model) -> float | None:
  """255.0 where the model's own first layers tell that it reads 0 to 255, else None."""
  graph_model = plain(model)
  prepared = callable(getattr(model, "preprocessor", None))
  reads = graph_model is not None and (prepared or reads_bytes(trace(graph_model)))
  return 255.0 if reads else None


def _unique(name: str, names: Any) -> str:
  unique, count = name, 1
  while unique in names:
    count += 1
    unique = f"{name}:{count}"
  return unique
