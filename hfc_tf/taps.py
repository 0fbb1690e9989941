"""A Keras classifier whose every activation is tapped, and what the taps return."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.engine import with_bfloat16_body
from hfc_tf.errors import InputError
from hfc_tf.graph import Graph
from hfc_tf.surroundings import default_settings

FloatArray = np.ndarray[Any, np.dtype[np.float32]]
Tensor = Any


@dataclasses.dataclass(frozen=True, eq=False)
class Taps:
  """Everything that detectors and densities know of a batch of images.

  Attributes:
    features: layer name -> channel means f^l(x) of that activation, float32 [N, C_l], in the
      order of the network.
    logits: float32 [N, K].
    labels: true classes, int32 [N].
    penultimate: the name in `features` of z(x), the input of the last dense layer.
    head: kernel [C, K] and bias [K] of the last dense layer, so that logits = z(x) kernel + bias;
      None when the network does not end in one.
    groups: int64 [N]; images of one group (a patient, a source image) never straddle folds.
  """

  features: Mapping[str, FloatArray]
  logits: FloatArray
  labels: np.ndarray[Any, np.dtype[np.int32]]
  penultimate: str
  head: tuple[FloatArray, FloatArray] | None = None
  groups: np.ndarray[Any, np.dtype[np.int64]] | None = None

  def __len__(self) -> int:
    return len(self.logits)

  def __getitem__(self, rows: Any) -> Taps:
    return dataclasses.replace(
      self,
      features={name: values[rows] for name, values in self.features.items()},
      logits=self.logits[rows],
      labels=self.labels[rows],
      groups=None if self.groups is None else self.groups[rows],
    )

  @property
  def predictions(self) -> np.ndarray[Any, np.dtype[np.int32]]:
    """The predicted classes, int32 [N]."""
    return np.asarray(np.argmax(self.logits, axis=1), np.int32)

  @staticmethod
  def concatenate(parts: Sequence[Taps]) -> Taps:
    """One Taps with the rows of all parts in order."""
    first = parts[0]
    grouped = all(part.groups is not None for part in parts)
    return dataclasses.replace(
      first,
      features={n: np.concatenate([p.features[n] for p in parts]) for n in first.features},
      logits=np.concatenate([part.logits for part in parts]),
      labels=np.concatenate([part.labels for part in parts]),
      groups=np.concatenate([p.groups for p in parts if p.groups is not None]) if grouped else None,
    )


class TappedModel:
  """A Keras classifier that returns its logits and the channel means of every activation.

      f^l_k(x) = mean over space of channel k of the l-th activation

  (MICCAI 2021, section 5.1). Softmax heads are unwrapped, one sigmoid unit z becomes the logits
  [0, z], nested functional models are walked through. The network always runs in inference mode
  and the model that was given is read, never changed.

      model = TappedModel(keras.models.load_model("mine.keras"))
      taps = model.taps(images, labels)

  Args:
    model: a functional or Sequential classifier with one input [H, W, C] or [D, H, W, C].
    preprocessing: what the caller applies to images before the model, as a TensorFlow function
      of images in `bounds`; None where the model holds it or needs none.
    bounds: the range (low, high) of the images that callers pass and get back. Inside the
      library every image is in [0, 1].
    precision: "bfloat16" computes in it behind the first layer; features and logits stay float32.
    fold: run convolutions with batch normalisation folded in, of the weights that the model has
      now (see `FoldedConvolutions`). None: on CPUs only.

  Raises:
    InputError: for subclassed, multi-input or multi-output models, multi-label heads, inputs
      that are no images, and models without activations.
  """

  @default_settings()
  def __init__(
    self,
    model: keras.Model,
    preprocessing: Callable[[Tensor], Tensor] | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    precision: str = "float32",
    fold: bool | None = None,
  ) -> None:
    if precision not in ("float32", "bfloat16"):
      raise InputError("precision float32 or bfloat16", repr(precision), "name one of them")
    if not bounds[0] < bounds[1]:
      raise InputError("bounds (low, high) with low < high", str(bounds), "pass e.g. (0, 255)")
    self.preprocessing = preprocessing
    self.bounds = bounds
    self.precision = precision
    self._model = model
    if fold is None:
      fold = not tf.config.list_physical_devices("GPU")
    network = with_bfloat16_body(model) if precision == "bfloat16" else model
    self._graph = Graph(network, fold)
    self.input_shape: tuple[int | None, ...] = self._graph.input_shape
    shape = [1, *(size or 64 for size in self.input_shape)]
    spec = tf.TensorSpec(shape, tf.float32)
    traced = tf.function(self.__call__, autograph=False).get_concrete_function(spec)
    logits, features = traced.structured_outputs
    self.layers: tuple[str, ...] = tuple(features)
    self.widths: dict[str, int] = {name: int(mean.shape[1]) for name, mean in features.items()}
    self.num_classes = int(logits.shape[1])
    self.penultimate: str = self._graph.penultimate
    self._forward = tf.function(self.__call__, autograph=False, reduce_retracing=True)

  def variant(self, *, precision: str = "float32", fold: bool | None = None) -> TappedModel:
    """The same classifier, run in another way."""
    return TappedModel(self._model, self.preprocessing, self.bounds, precision, fold)

  def __call__(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits [B, K] and channel means {layer: [B, C_l]} of images in [0, 1], as tensors."""
    low, high = self.bounds
    inputs = images if (low, high) == (0.0, 1.0) else images * (high - low) + low
    if self.preprocessing is not None:
      inputs = self.preprocessing(inputs)
    return self._graph(inputs)

  @property
  def head(self) -> tuple[FloatArray, FloatArray] | None:
    """Kernel [C, K] and bias [K] of the last dense layer, or None."""
    return self._graph.head_arrays()

  def to_unit(self, images: Any) -> FloatArray:
    """Images in `bounds` as float32 in [0, 1], checked for shape, range and NaN.

    Raises:
      InputError: for a wrong shape, values outside the bounds (beyond rounding) or NaN.
    """
    array = np.asarray(images)
    low, high = self.bounds
    expected = tuple("any" if size is None else size for size in self.input_shape)
    fits = array.ndim == len(expected) + 1 and all(
      size in ("any", found) for size, found in zip(expected, array.shape[1:], strict=True)
    )
    if not fits:
      raise InputError(
        f"images of shape (N, {', '.join(map(str, expected))})",
        f"shape {array.shape}",
        "resize them (--image_size) or convert grey to RGB",
      )
    unit = ((array.astype(np.float64) - low) / (high - low)).astype(np.float32)
    if not np.isfinite(unit).all():
      raise InputError("finite images", "NaN or infinity", "remove the broken images")
    if unit.size and (unit.min() < -1e-5 or unit.max() > 1 + 1e-5):
      raise InputError(
        f"images in [{low:g}, {high:g}]",
        f"values from {array.min():g} to {array.max():g}",
        "rescale them or pass bounds= to TappedModel",
      )
    return np.clip(unit, 0.0, 1.0)

  def from_unit(self, images: FloatArray, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    """Images in [0, 1] back in `bounds`; integer dtypes are rounded."""
    low, high = self.bounds
    values = images if (low, high) == (0.0, 1.0) else images * (high - low) + low
    return (np.rint(values) if np.issubdtype(dtype, np.integer) else values).astype(dtype)

  def taps(
    self,
    images: Any,
    labels: Any = None,
    *,
    groups: Any = None,
    batch_size: int = 64,
  ) -> Taps:
    """Runs the network over images and collects the taps.

    Args:
      images: array or tensor [N, ...] in `bounds`, or a tf.data.Dataset of batches of images or
        of (images, labels).
      labels: int [N]; -1 everywhere when None.
      groups: int [N] or None, kept in the result.
      batch_size: images a step; the last batch is padded, so that one program serves them all.

    Raises:
      InputError: for images that do not fit, for probabilities where logits belong.
    """
    logits: list[FloatArray] = []
    means: dict[str, list[FloatArray]] = {name: [] for name in self.layers}
    seen: list[Any] = []
    for batch, batch_labels in _batches(images, labels, batch_size):
      unit = self.to_unit(batch)
      padded = np.pad(unit, [(0, batch_size - len(unit))] + [(0, 0)] * (unit.ndim - 1))
      batch_logits, features = self._forward(tf.constant(padded))
      logits.append(batch_logits.numpy()[: len(unit)])
      for name, values in features.items():
        means[name].append(values.numpy()[: len(unit)])
      seen.append(np.full(len(unit), -1) if batch_labels is None else np.asarray(batch_labels))
    if not logits:
      raise InputError("at least one image", "none", "pass images")
    all_logits = np.concatenate(logits)
    _refuse_probabilities(all_logits)
    return Taps(
      features={name: np.concatenate(values) for name, values in means.items()},
      logits=all_logits,
      labels=np.concatenate(seen).reshape(-1).astype(np.int32),
      penultimate=self.penultimate,
      head=self.head,
      groups=None if groups is None else np.asarray(groups, np.int64),
    )


def _batches(images: Any, labels: Any, batch_size: int) -> Iterable[tuple[Any, Any]]:
  if isinstance(images, tf.data.Dataset):
    for element in images:
      batch, batch_labels = element if isinstance(element, tuple) else (element, None)
      for start in range(0, len(batch), batch_size):
        stop = start + batch_size
        yield batch[start:stop], None if batch_labels is None else batch_labels[start:stop]
    return
  for start in range(0, len(images), batch_size):
    stop = start + batch_size
    yield images[start:stop], None if labels is None else labels[start:stop]


def _refuse_probabilities(logits: FloatArray) -> None:
  if not np.isfinite(logits).all():
    raise InputError("finite logits", "NaN or infinity", "check the model's weights and its input")
  if len(logits) > 1 and (logits >= 0).all() and np.allclose(logits.sum(1), 1, atol=1e-3):
    found = "rows that are probabilities: a softmax that could not be unwrapped"
    raise InputError("logits", found, "end the model in a linear layer")
