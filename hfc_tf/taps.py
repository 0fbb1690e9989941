"""A Keras classifier whose every activation is tapped, and what the taps return."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf.errors import InputError
from hfc_tf.inputs import batches, class_numbers, group_numbers, unit_images
from hfc_tf.surroundings import COMPUTE_LOCK, default_settings
from hfc_tf.tapping import Network

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
  def concatenate(several: Sequence[Taps]) -> Taps:
    """One Taps with the rows of all in order; groups where all have some."""

    def joined(name: str) -> Any:
      return np.concatenate([getattr(taps, name) for taps in several])

    layers = several[0].features
    return dataclasses.replace(
      several[0],
      features={name: np.concatenate([t.features[name] for t in several]) for name in layers},
      logits=joined("logits"),
      labels=joined("labels"),
      groups=None if any(taps.groups is None for taps in several) else joined("groups"),
    )


class TappedModel:
  """A Keras classifier that returns its logits and the channel means of every activation.

      f^l_k(x) = mean over space of channel k of the l-th activation

  (MICCAI 2021, section 5.1). Wherever softmax or a sigmoid unit stands at the tail, the logits
  before it are taken; one unit z becomes the logits [0, z]. Nested models, shared layers and
  layers made of layers are run by Keras itself, in inference mode; the model that was given is
  read, never changed. Weights that change later are taken over by the next `taps` or attack.

      model = TappedModel(keras.models.load_model("mine.keras"))
      taps = model.taps(images, labels)

  Args:
    model: a functional or Sequential classifier with one input [H, W, C] or [D, H, W, C].
    preprocessing: what the caller applies to images before the model, as a TensorFlow function
      of images in `bounds`; None where the model holds it or needs none. The preprocessor of a
      KerasHub classifier is part of the model, as in its `predict`.
    bounds: the range (low, high) of the images that callers pass and get back. Inside the
      library every image is in [0, 1].
    precision: "bfloat16" computes in it behind the first layer; features and logits stay float32.
    fold: take faster forms of the layers (see `hfc_tf.fast`). None: on CPUs only.

  Attributes:
    input_shape: of an image, None where any size fits. num_classes: K.
    layers: names of the taps, in the order of the network. widths: their channels C_l.
    penultimate: the tap that the last dense layer reads, else the last one.
    highest: 255.0 where the model's own first layers tell that it reads 0 to 255, else None.

  Raises:
    InputError: for subclassed, multi-input or multi-output models, multi-label heads, inputs
      that are no images, models without activations, and models whose probabilities are not
      those that its taps give on random images.
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
    if fold is None:
      fold = not tf.config.list_physical_devices("GPU")
    self.preprocessing, self.bounds, self.precision = preprocessing, bounds, precision
    self._model = model
    self._network = Network(model, precision, fold)
    self.input_shape: tuple[int | None, ...] = self._network.input_shape
    self.layers: tuple[str, ...] = self._network.names
    self.widths: dict[str, int] = self._network.widths
    self.num_classes = self._network.classes
    self.penultimate: str = self._network.penultimate
    self.highest = self._network.highest
    if self.highest and preprocessing is None and bounds[1] < self.highest / 4:
      logging.warning(
        "%r reads images of 0 to %g, but bounds are %s: pass bounds=(0, %g) or preprocessing=",
        model.name, self.highest, bounds, self.highest,
      )  # fmt: skip
    # One function that every attack and detector calls, so that its graph is made once.
    signature = [tf.TensorSpec([None, *self.input_shape], tf.float32)]
    self._function = tf.function(self._run, input_signature=signature, autograph=False)

  def __repr__(self) -> str:
    shape = " x ".join(str(size or "any") for size in self.input_shape)
    return (
      f"TappedModel({self._model.name!r}, images {shape} in {self.bounds}, "
      f"{self.num_classes} classes, {len(self.layers)} taps, {self.precision})"
    )

  def variant(self, *, precision: str = "float32", fold: bool | None = None) -> TappedModel:
    """The same classifier, run in another way."""
    return TappedModel(self._model, self.preprocessing, self.bounds, precision, fold)

  def __call__(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits [B, K] and channel means {layer: [B, C_l]} of images in [0, 1], grey ones copied."""
    if images.shape[0] is not None:
      images = tf.reshape(images, images.shape)  # so that the gradient has this shape, not any
    if images.shape[-1] == 1 and self.input_shape[-1] == 3:
      images = tf.repeat(images, 3, -1)
    logits, features = self._function(images)
    for tensor in (logits, *features.values()):
      tensor.set_shape([images.shape[0], tensor.shape[1]])
    return logits, features

  def _run(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    low, high = self.bounds
    inputs = images if (low, high) == (0.0, 1.0) else images * (high - low) + low
    if self.preprocessing is not None:
      inputs = self.preprocessing(inputs)
    return self._network(inputs)

  @property
  def head(self) -> tuple[FloatArray, FloatArray] | None:
    """Kernel [C, K] and bias [K], logits = z(x) kernel + bias; None where no such map ends it."""
    self._network.refresh()
    return self._network.head

  def to_unit(self, images: Any) -> FloatArray:
    """Images in `bounds` as float32 in [0, 1], checked for shape, range and NaN.

    What begins here, a pass or an attack, runs with the weights that the model has now.

    Raises:
      InputError: for a wrong shape, values outside the bounds (beyond rounding) or NaN.
    """
    self._network.refresh()
    *sides, channels = self.input_shape
    grey = channels == 3 and np.shape(images)[len(sides) + 1 :] == (1,)
    return unit_images(images, (*sides, 1 if grey else channels), self.bounds)

  def taps(
    self, images: Any, labels: Any = None, *, groups: Any = None, batch_size: int = 64
  ) -> Taps:
    """Runs the network over images and collects the taps.

    Args:
      images: array or tensor [N, ...] in `bounds`, or a tf.data.Dataset of batches of images or
        of (images, labels).
      labels: int [N], or one-hot [N, K]; -1 everywhere when None.
      groups: [N], names or numbers of what belongs together, or None; int64 in the result.
      batch_size: images a step; the last batch is padded, so that one program serves them all.

    Raises:
      InputError: for images, labels or groups that do not fit, and labels beside a Dataset.
    """
    if batch_size < 1:
      raise InputError("a batch size of 1 or more", str(batch_size), "leave it out for 64")
    if labels is not None and isinstance(images, tf.data.Dataset):
      raise InputError(
        "labels inside the Dataset, as pairs", "labels= beside it", "zip them: tf.data.Dataset.zip"
      )
    classes = None if labels is None else class_numbers(labels, self.num_classes)
    several = []
    for batch, batch_labels in batches(images, batch_size):
      unit = self.to_unit(batch)
      count = len(unit)
      padded = np.pad(unit, [(0, batch_size - count)] + [(0, 0)] * (unit.ndim - 1))
      with COMPUTE_LOCK:
        logits, features = self(tf.constant(padded))
      labelled = np.full(count, -1) if batch_labels is None else batch_labels
      several.append(
        Taps(
          {name: values.numpy()[:count] for name, values in features.items()},
          logits.numpy()[:count],
          class_numbers(labelled, self.num_classes),
          self.penultimate,
        )
      )
    if not several:
      raise InputError("at least one image", "none", "pass images")
    taps = Taps.concatenate(several)
    taps = dataclasses.replace(
      taps,
      labels=taps.labels if classes is None else classes,
      head=self.head,
      groups=None if groups is None else group_numbers(groups),
    )
    if not np.isfinite(taps.logits).all():
      raise InputError("finite logits", "NaN or infinity", "check the model's weights and input")
    for name, values in (("labels", taps.labels), ("groups", taps.groups)):
      if values is not None and len(values) != len(taps):
        remedy = f"pass the {name} of these images"
        raise InputError(f"{len(taps)} {name}, one an image", f"{len(values)}", remedy)
    self._network.check_head(taps.features, taps.logits)
    return taps
