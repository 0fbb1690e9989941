"""Whether a tapped model predicts what the classifier of another library predicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

_SIDE = 64  # of random images where the network takes any
_TOLERANCE = 1e-3  # of probabilities, and of logits relative to the largest


def check_agreement(
  model: TappedModel, predict: Callable[[np.ndarray[Any, Any]], Any], name: str
) -> None:
  """Raises unless both predict the same on four random images in the model's bounds.

  Args:
    model: the tapped model.
    predict: images float32 [N, ...] in these bounds -> logits, or probabilities, [N, K] or [N, 1].
    name: of the other classifier, for the error.

  Raises:
    InputError: with the largest difference.
  """
  low, high = model.bounds
  shape = [4, *(size or _SIDE for size in model.input_shape)]
  images = np.random.default_rng(0).uniform(low, high, shape).astype(np.float32)
  contrasts = np.array([1.0, 0.5, 0.2, 1.0], np.float32).reshape(4, *[1] * (len(shape) - 1))
  images = low + (images - low) * contrasts
  given = np.asarray(predict(images), np.float64)
  logits = model.taps(images).logits.astype(np.float64)
  forms = [logits, np.asarray(tf.nn.softmax(logits))]
  if given.shape == (4, 1):
    forms = [logits[:, 1:] - logits[:, :1], forms[1][:, 1:]]
  if given.shape != forms[0].shape:
    shapes = f"predictions of shape {given.shape}, not {forms[0].shape}"
    raise InputError(f"{model.num_classes} classes of {name}", shapes, "name the right model")
  scales = (max(1.0, float(np.abs(given).max())), 1.0)
  errors = [np.abs(form - given).max() / scale for form, scale in zip(forms, scales, strict=True)]
  if not min(errors) <= _TOLERANCE:
    raise InputError(
      f"a tapped model that predicts what {name} predicts",
      f"predictions that differ by {min(errors):.2g}",
      "make it by hfc_tf.adapters.from_art or from_foolbox, without postprocessing",
    )
