"""ResNet-18 (He et al., CVPR 2016): a thin one for two cores, and one with 3-D kernels."""

from typing import Any

import keras

from hfc_tf.errors import InputError
from hfc_tf.models.weights import set_weights
from hfc_tf.surroundings import default_settings

_HALVED, _QUARTERED = 16, 96  # voxels along an axis from which the stem halves, quarters it


@default_settings()
def small_resnet(
  input_shape: tuple[int, ...],
  num_classes: int,
  seed: int = 0,
  weights: str | None = None,
  widths: tuple[int, ...] = (16, 32, 64, 128),
) -> keras.Model:
  """ResNet-18 with thin stages: 17 ReLU taps, 2-D or 3-D.

  A stem of stride 2, then two residual blocks per width, each stage but the first of stride 2.
  BatchNorm momentum is 0.9, since trainings are a few hundred steps long.

  Args:
    input_shape: (H, W, C) or (D, H, W, C).
    num_classes: units of the layer "logits".
    seed: decides the initial weights.
    weights: None or a weights file (see `hfc_tf.models.weights.set_weights`).
    widths: channels of each stage; the stem has those of the first.

  Raises:
    InputError: the shape is neither 2-D nor 3-D, or `weights` do not fit.
  """
  if len(input_shape) not in (3, 4):
    raise InputError(
      expected="images of (H, W, C) or (D, H, W, C) for small_resnet",
      actual=f"{tuple(input_shape)}",
      remedy="give every image its channel axis",
    )
  images = keras.Input(input_shape, name="images")  # [N, (D,) H, W, C]
  stem = _convolution(images, widths[0], 3, 2, "stem")
  return set_weights(_completed(images, stem, widths, num_classes, "small_resnet"), seed, weights)


@default_settings()
def resnet18_3d(
  input_shape: tuple[int, ...],
  num_classes: int,
  seed: int = 0,
  weights: str | None = None,
  widths: tuple[int, ...] = (64, 128, 256, 512),
) -> keras.Model:
  """ResNet-18, every kernel 3-D as in TMI, section V.A: 17 ReLU taps.

  The stem is a convolution of 3 x 3 x 3 that halves every axis of at least 16 voxels; axes of at
  least 96 are pooled once more, so that both small cubes and CT of few slices keep some depth.

  Args:
    input_shape: (D, H, W, C).
    num_classes, seed, weights, widths: as for `small_resnet`.

  Raises:
    InputError: the shape is not 3-D, or `weights` do not fit.
  """
  return _resnet18(input_shape, num_classes, seed, weights, widths, 4, "resnet18_3d")


@default_settings()
def resnet18(
  input_shape: tuple[int, ...],
  num_classes: int,
  seed: int = 0,
  weights: str | None = None,
  widths: tuple[int, ...] = (64, 128, 256, 512),
) -> keras.Model:
  """ResNet-18 of `resnet18_3d` with 2-D kernels: what slices are held against volumes with.

  Args:
    input_shape: (H, W, C).
    num_classes, seed, weights, widths: as for `small_resnet`.

  Raises:
    InputError: the shape is not 2-D, or `weights` do not fit.
  """
  return _resnet18(input_shape, num_classes, seed, weights, widths, 3, "resnet18")


def _resnet18(
  input_shape: tuple[int, ...],
  num_classes: int,
  seed: int,
  weights: str | None,
  widths: tuple[int, ...],
  rank: int,
  name: str,
) -> keras.Model:
  if len(input_shape) != rank:
    form = "volumes of (D, H, W, C)" if rank == 4 else "images of (H, W, C)"
    other = "resnet50 or small_resnet for images" if rank == 4 else "resnet18_3d for volumes"
    raise InputError(
      expected=f"{form} for {name}", actual=f"{tuple(input_shape)}", remedy=f"take --model={other}"
    )
  images = keras.Input(input_shape, name="images")  # [N, (D,) H, W, C]
  strides = tuple(2 if side >= _HALVED else 1 for side in input_shape[:-1])
  stem = _convolution(images, widths[0], 3, strides, "stem")
  pools = tuple(2 if side >= _QUARTERED else 1 for side in input_shape[:-1])
  if max(pools) > 1:
    # Before the stem's ReLU, with which it commutes.
    pool = keras.layers.MaxPooling2D if rank == 3 else keras.layers.MaxPooling3D
    stem = pool(pools, padding="same", name="stem_pool")(stem)
  return set_weights(_completed(images, stem, widths, num_classes, name), seed, weights)


def _completed(
  images: Any, x: Any, widths: tuple[int, ...], num_classes: int, name: str
) -> keras.Model:
  """ReLU, two blocks per width, pool and logits on a stem x, [N, (D,) H, W, widths[0]]."""
  x = _relu(x, "stem")
  for stage, width in enumerate(widths, start=1):
    for block in (1, 2):
      stride = 2 if stage > 1 and block == 1 else 1
      x = _block(x, width, stride, f"stage{stage}_block{block}")
  layers = keras.layers
  pool = layers.GlobalAveragePooling2D if len(x.shape) == 4 else layers.GlobalAveragePooling3D
  x = pool(name="pool")(x)  # [N, C]
  return keras.Model(images, layers.Dense(num_classes, name="logits")(x), name=name)


def _convolution(x: Any, width: int, size: int, stride: int | tuple[int, ...], name: str) -> Any:
  """Convolution and BatchNorm; the convolution needs no bias beside BatchNorm's."""
  layer = keras.layers.Conv2D if len(x.shape) == 4 else keras.layers.Conv3D
  x = layer(width, size, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
  return keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)


def _block(x: Any, width: int, stride: int, name: str) -> Any:
  """The basic block; the shortcut is projected where its shape changes."""
  y = _relu(_convolution(x, width, 3, stride, f"{name}_1"), f"{name}_1")
  y = _convolution(y, width, 3, 1, f"{name}_2")
  if x.shape[-1] != width or stride != 1:
    x = _convolution(x, width, 1, stride, f"{name}_shortcut")
  return _relu(keras.layers.Add(name=f"{name}_add")([x, y]), f"{name}_2")


def _relu(x: Any, name: str) -> Any:
  return keras.layers.ReLU(name=f"{name}_relu")(x)
