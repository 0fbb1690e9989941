"""Input diversity."""

from __future__ import annotations

import tensorflow as tf

from hfc_tf.attacks.draws import uniform
from hfc_tf.attacks.objectives import Batch
from hfc_tf.attacks.updates.axes import along, positions, spatial
from hfc_tf.attacks.updates.base import Sign, Tensor, pick
from hfc_tf.errors import InputError


class InputDiversity(Sign):
  """x - alpha sign(grad_x J(T(x))), T: resize and pad at random   (Xie et al., CVPR 2019).

  With the given probability an image is made smaller, bilinearly, and put at a random place of a
  black image of the old size. Sample and step have draws of their own.

  Args:
    probability: 0 gives `Sign`.
    smallest: new size over old size, at the least.

  Raises:
    InputError: for numbers outside of [0, 1].
  """

  def __init__(self, probability: float = 0.5, smallest: float = 0.9) -> None:
    if not (0 <= probability <= 1 and 0 < smallest <= 1):
      raise InputError(
        "probability and smallest within 0 and 1",
        f"{probability} and {smallest}",
        "pass probability=0.5 and smallest=0.9",
      )
    self.probability = probability
    self.smallest = smallest

  def view(self, images: Tensor, batch: Batch, step: Tensor) -> Tensor:
    """T(x), [B, ...]."""
    axes = spatial(images)
    draws = uniform(batch.ids, 2 + len(axes), batch.seed, step)  # [B, 2 + rank]
    resized = images
    for number, axis in enumerate(axes):
      length = tf.shape(images)[axis]
      resized = along(resized, axis, self._placement(length, draws[:, 1], draws[:, 2 + number]))
    return pick(draws[:, 0] < self.probability, resized, images)

  def _placement(self, length: Tensor, shrinking: Tensor, place: Tensor) -> Tensor:
    """One axis of T as a matrix [B, S, S], of draws U[0, 1) [B]."""
    whole = tf.cast(length, tf.float32)
    least = tf.maximum(tf.floor(self.smallest * whole + 1e-3), 1.0)
    size = (least + tf.floor(shrinking * (whole - least)))[:, None]  # [B, 1]
    first = tf.floor(place[:, None] * (whole - size + 1.0))
    inner = positions(length) - first  # [B, S], counted from the small image's edge
    source = tf.clip_by_value((inner + 0.5) * whole / size - 0.5, 0.0, whole - 1.0)
    weights = tf.nn.relu(1.0 - tf.abs(source[..., None] - positions(length)))  # [B, S, S]
    return tf.where(((inner >= 0) & (inner < size))[..., None], weights, 0.0)
