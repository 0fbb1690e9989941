"""ResNet-18 with 3-D kernels, for volumes."""

import keras

from hfc_tf.errors import InputError
from hfc_tf.models.small_resnet import convolution, residual_stages
from hfc_tf.models.weights import set_weights
from hfc_tf.surroundings import default_settings

_HALVED, _QUARTERED = 16, 96  # voxels along an axis from which the stem halves, quarters it


@default_settings()
def resnet18_3d(
  input_shape: tuple[int, ...],
  num_classes: int,
  seed: int = 0,
  weights: str | None = None,
  widths: tuple[int, ...] = (64, 128, 256, 512),
) -> keras.Model:
  """ResNet-18 (He et al., CVPR 2016), every kernel 3-D as in TMI, section V.A: 17 ReLU taps.

  The stem is a convolution of 3 x 3 x 3 that halves every axis of at least 16 voxels; axes of at
  least 96 are pooled once more, so that both small cubes and CT of few slices keep some depth.

  Args:
    input_shape: (D, H, W, C).
    num_classes: units of the layer "logits".
    seed: decides the initial weights.
    weights: None or a weights file (see `hfc_tf.models.weights.set_weights`).
    widths: channels of each stage.

  Raises:
    InputError: the shape is not 3-D, or `weights` do not fit.
  """
  if len(input_shape) != 4:
    raise InputError(
      expected="volumes of (D, H, W, C) for resnet18_3d",
      found=f"{tuple(input_shape)}",
      remedy="take --model=resnet50 or small_resnet for images",
    )
  volumes = keras.Input(input_shape, name="images")  # [N, D, H, W, C]
  strides = tuple(2 if side >= _HALVED else 1 for side in input_shape[:-1])
  x = convolution(volumes, widths[0], 3, strides, "stem")
  pools = tuple(2 if side >= _QUARTERED else 1 for side in input_shape[:-1])
  if max(pools) > 1:
    # Before the stem's ReLU, with which it commutes.
    x = keras.layers.MaxPooling3D(pools, padding="same", name="stem_pool")(x)
  logits = residual_stages(x, widths, num_classes)  # [N, K]
  return set_weights(keras.Model(volumes, logits, name="resnet18_3d"), seed, weights)
