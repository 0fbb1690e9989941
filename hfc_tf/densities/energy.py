"""Quadratic forms and densities as TensorFlow sees them, in an attack or a detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
  from hfc_tf.densities.mixture import GaussianMixture

Tensor = Any
Arrays = dict[str, Tensor]


class LayerEnergy:
  """One layer's mixtures of all classes as tensors, for batches that belong to one class.

  `energy`, `comparable` and `log_prob_tensor` read them. All are exact for the mixtures'
  covariances, and hold no more than [B, M, p] however wide the layer is.
  """

  def __init__(self, mixtures: Sequence[GaussianMixture], dtype: Any = tf.float32) -> None:
    rank = max(len(mixture.base.eigenvalues) for mixture in mixtures)
    classes = [packed(mixture, rank) for mixture in mixtures]
    self._arrays = {
      key: tf.constant(np.stack([one[key] for one in classes]), dtype) for key in classes[0]
    }

  def of_class(self, label: Tensor) -> Arrays:
    """The arrays of one class (int32 scalar), picked once a batch."""
    return {key: values[label] for key, values in self._arrays.items()}


def energy(arrays: Arrays, features: Tensor) -> Tensor:
  """(f - mu_m')^T S_m'^-1 (f - mu_m'), m' = argmax_m ln(pi_m N(f | mu_m, S_m))  (TMI Eq. 15, 16).

  m' carries no gradient; that of the form is 2 S_m'^-1 (f - mu_m'), written down, so that
  nothing but [B, C] waits for the backward pass.

  Args:
    arrays: of `LayerEnergy.of_class`. features: [B, C].
  """

  def form(points: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    shared, forms, gradient = _forms(arrays, points)
    chosen = tf.argmax(_log_joint(arrays, forms), axis=1, output_type=tf.int32)
    slope = gradient(chosen)  # [B, C]
    value = shared + tf.gather(forms, chosen, batch_dims=1)
    return value, lambda upstream: upstream[:, None] * slope

  return tf.custom_gradient(form)(features)


def comparable(arrays: Arrays, features: Tensor) -> Tensor:
  """-max_m ln(pi_m N(f | mu_m, S_m)) up to a constant of the class, [B], for features [B, C].

  Half of `energy` and what it leaves out of pi_m' and |S_m'|: it does not jump where m' changes.
  """
  shared, forms, _ = _forms(arrays, features)
  return 0.5 * shared - tf.reduce_max(_log_joint(arrays, forms), 1)


def log_prob_tensor(arrays: Arrays, features: Tensor) -> Tensor:
  """ln sum_m pi_m N(f | mu_m, S_m), [B], for features [B, C]   (TMI Eq. 14)."""
  shared, forms, _ = _forms(arrays, features)
  return tf.reduce_logsumexp(_log_joint(arrays, forms), 1) - 0.5 * shared + arrays["constant"]


def packed(mixture: GaussianMixture, rank: int = 0) -> dict[str, np.ndarray[Any, Any]]:
  """A mixture as the arrays that the functions above read, padded to a rank r, to be stacked.

  If r is C, one product with the precision replaces two with its factors.
  """
  base, size = mixture.base, mixture.means.shape[1]
  directions = len(base.eigenvalues)
  outside = 0.0 if directions == mixture.width else 1 / base.floor
  # What a direction weighs beyond `outside`; the mixture speaks for the leading ones.
  trailing = 1 / base.eigenvalues - outside
  trailing[:size] = -outside
  if rank == mixture.width:
    rest = {"precision": base.basis * trailing @ base.basis.T + outside * np.eye(rank)}
  else:
    padding = [(0, 0), (0, max(rank - directions, 0))]
    rest = {
      "basis": np.pad(base.basis, padding),
      "trailing": np.pad(trailing, padding[1]),
      "outside": np.asarray(outside),
    }
  factors = np.linalg.cholesky(mixture.covariances)
  whitening = np.linalg.inv(factors)  # [M, p, p]
  return {
    "mean": base.mean,
    "inverse_scale": 1 / base.scale,
    **rest,
    "axes": base.basis[:, :size],
    "leading": 1 / np.sqrt(base.eigenvalues[:size]),
    "whitening": whitening,
    "offsets": (whitening @ mixture.means[:, :, None])[..., 0],
    "log_weights": np.log(mixture.weights) - np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(1),
    "constant": np.asarray(-0.5 * (base.log_volume + mixture.width * np.log(2 * np.pi))),
  }


def _forms(arrays: Arrays, features: Tensor) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
  """What components share of the form [B], the rest [B, M], the gradient [B, C] of chosen [B]."""
  standard = (features - arrays["mean"]) * arrays["inverse_scale"]  # [B, C]
  if "precision" in arrays:
    weighed = standard @ arrays["precision"]  # [B, C]
  else:
    turned = standard @ arrays["basis"] * arrays["trailing"]  # [B, r]
    weighed = arrays["outside"] * standard + tf.matmul(turned, arrays["basis"], transpose_b=True)
  leading = standard @ arrays["axes"] * arrays["leading"]  # [B, p]
  residuals = tf.einsum("mqp,bp->bmq", arrays["whitening"], leading) - arrays["offsets"]

  def gradient(chosen: Tensor) -> Tensor:
    whitening = tf.gather(arrays["whitening"], chosen)  # [B, p, p]
    residual = tf.gather(residuals, chosen, batch_dims=1)  # [B, p]
    slope = tf.linalg.matvec(whitening, residual, transpose_a=True) * arrays["leading"]
    outer = weighed + tf.matmul(slope, arrays["axes"], transpose_b=True)
    return 2.0 * arrays["inverse_scale"] * outer

  return tf.reduce_sum(standard * weighed, 1), tf.reduce_sum(residuals**2, 2), gradient


def _log_joint(arrays: Arrays, forms: Tensor) -> Tensor:
  """ln pi_m N(f | mu_m, S_m) up to what components share, [B, M]."""
  return arrays["log_weights"] - 0.5 * forms
