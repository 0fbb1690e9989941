"""The networks of keras.applications, which read RGB in [0, 1] here."""

import collections
import functools
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from hfc_tf.errors import InputError
from hfc_tf.models import APPLICATIONS
from hfc_tf.models.weights import finalize, set_weights
from hfc_tf.surroundings import default_settings

_MEAN, _STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # of ImageNet, RGB
# These networks read 255 x image, channels BGR, minus these means.
_CAFFE_MEANS_BGR = np.array([103.939, 116.779, 123.68])
CAFFE = ("ResNet50", "ResNet101", "ResNet152", "VGG16", "VGG19")
resnet50: Callable[..., keras.Model]  # by __getattr__


def __getattr__(name: str) -> Callable[..., keras.Model]:
  """A network by its name in lower case, e.g. `resnet50` or `densenet121`."""
  if name not in APPLICATIONS:
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
  return functools.partial(application, APPLICATIONS[name])


@default_settings()
def application(
  name: str,
  input_shape: tuple[int, ...],
  num_classes: int,
  seed: int = 0,
  weights: str | None = None,
) -> keras.Model:
  """A network of keras.applications, global average pooling and one dense layer.

  The first layer prepares RGB in [0, 1] as the network's `preprocess_input` does 0 to 255; where
  that is the "caffe" mode, ImageNet's weights are changed instead, so that ResNets and VGGs from
  scratch see the images as they are.

  Args:
    name: of the constructor, e.g. "DenseNet121".
    input_shape: (H, W, C), H and W at least 32 pixels, more for some networks; C is 3 but for
      ResNets and VGGs.
    num_classes: units of the layer "logits".
    seed: decides the initial weights and the dropout.
    weights: None, a weights file or "imagenet" (see `hfc_tf.models.weights.set_weights`).

  Raises:
    InputError: the shape is too small or not two-dimensional, or `weights` do not fit.
  """
  body = _body(name, input_shape, seed, pooling="avg")
  return _completed(name, body, body.outputs[0], num_classes, seed, weights)


@default_settings()
def vgg16(
  input_shape: tuple[int, ...],
  num_classes: int,
  seed: int = 0,
  weights: str | None = None,
  units: int = 4096,
) -> keras.Model:
  """VGG-16 (Simonyan and Zisserman, ICLR 2015): taps on 13 convolutions, fc1 and fc2.

  It has no BatchNorm and wants a small learning rate, of about 1e-4 from scratch and 5e-5 from
  ImageNet's convolutions: at 3e-4 two of three trainings ended at the larger class (64 px, 1,600
  chest X-rays).

  Args:
    input_shape, num_classes, seed, weights: as for `application`; fc1 adapts to H and W.
    units: width of fc1 and fc2, each followed by dropout of one half.

  Raises:
    InputError: the shape is too small or not two-dimensional, or `weights` do not fit.
  """
  body = _body("VGG16", input_shape, seed, pooling=None)
  x = keras.layers.Flatten(name="flatten")(body.outputs[0])  # [N, 512 H/32 W/32]
  for index, name in enumerate(("fc1", "fc2")):
    x = keras.layers.Dense(units, activation="relu", name=name)(x)  # [N, units]
    x = keras.layers.Dropout(0.5, seed=2 * seed + index, name=f"{name}_dropout")(x)
  return _completed("VGG16", body, x, num_classes, seed, weights)


def _completed(
  name: str, body: keras.Model, x: Any, num_classes: int, seed: int, weights: str | None
) -> keras.Model:
  logits = keras.layers.Dense(num_classes, name="logits")(x)  # [N, K]
  model = keras.Model(body.inputs[0], logits, name=name.lower())
  return set_weights(model, seed, weights, functools.partial(_load_imagenet, name, body))


def _body(name: str, input_shape: tuple[int, ...], seed: int, pooling: str | None) -> keras.Model:
  """All but the head; names and dropout do not depend on what was built before in this process."""
  channels = "C" if name in CAFFE else 3
  least = "H and W at least 32"
  try:
    if len(input_shape) != 3 or min(input_shape[:2]) < 32 or channels not in ("C", input_shape[-1]):
      raise ValueError
    images = keras.Input(input_shape, name="images")  # [N, H, W, C]
    made = getattr(keras.applications, name)(
      include_top=False,
      weights=None,
      input_tensor=_prepared(name, images),
      input_shape=input_shape,
      pooling=pooling,
    )
  except ValueError as error:
    least = str(error).partition(";")[0] or least
    raise InputError(
      expected=f"images of (H, W, {channels}), {least}, for {name.lower()}",
      actual=f"{tuple(input_shape)}",
      remedy="raise --image_size or take --model=small_resnet; for volumes that or resnet18_3d",
    ) from error
  counts: collections.Counter[str] = collections.Counter()
  names = {}
  for layer in made.operations:  # layers and keras.ops
    kind = re.sub(r"_\d+$", "", layer.name)
    counted = kind.replace("_", "") == type(layer).__name__.lower()  # by Keras, in the process
    counts[kind] += counted
    names[layer.name] = f"{kind}_{counts[kind]}" if counted else layer.name

  def renamed(layer: keras.Layer) -> keras.Layer:
    config = {**layer.get_config(), "name": names[layer.name]}
    if "seed" in config:
      place = list(names).index(layer.name)
      config["seed"] = int(np.random.default_rng([seed, place, 1]).integers(2**31))
    return type(layer).from_config(config)

  return keras.models.clone_model(made, clone_function=renamed)


def _prepared(name: str, images: keras.KerasTensor) -> keras.KerasTensor:
  """What the network reads, of RGB in [0, 1]."""
  if name in CAFFE:
    return images
  scale, offset = 2.0, -1.0
  if name.startswith(("ConvNeXt", "EfficientNet", "MobileNetV3")):  # which prepare 0 to 255
    scale, offset = 255.0, 0.0
  elif name.startswith("DenseNet"):
    scale, offset = (1 / _STD).tolist(), (-_MEAN / _STD).tolist()
  return keras.layers.Rescaling(scale, offset, name="preprocessing")(images)


def _load_imagenet(name: str, body: keras.Model) -> None:
  """Gives a body ImageNet's weights, for RGB in [0, 1]."""
  weights = getattr(keras.applications, name)(
    include_top=False, weights="imagenet", input_shape=body.input_shape[1:]
  ).get_weights()
  if name in CAFFE:
    weights[:2] = caffe_to_unit_range(*weights[:2])
  if name.startswith("EfficientNetB"):
    # Only with these weights does Keras divide by the square root of the deviation once more.
    weights[1] = (weights[1] * _STD).astype(weights[1].dtype)
  body.set_weights(weights)
  finalize(body.layers)


def caffe_to_unit_range(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Folds the "caffe" preprocessing into a convolution, kernel [h, w, 3, C] and bias [C].

  k * (255 x_bgr - m) + b = (255 k_rgb) * x + (b - sum k m), but for the zero-padded border.
  """
  shift = np.einsum("hwic,i->c", kernel, _CAFFE_MEANS_BGR)  # [C]
  return 255 * kernel[:, :, ::-1, :], (bias - shift).astype(bias.dtype)
