"""The quadratic form of the most likely component, as TensorFlow sees it in an attack."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.densities.mixture import GaussianMixture

Tensor = Any


class LayerEnergy:
  """(f - mu_m')^T S_m'^-1 (f - mu_m'), m' = argmax_m ln(pi_m N(f | mu_m, S_m))  (TMI Eq. 15, 16).

  Holds one layer's mixtures of all classes as float32 tensors, and evaluates them for batches
  that aim at one class. The form is exact for GaussianMixture's covariances; its memory is
  [B, M, p] however wide the layer is, because the components share their axes.

  Args:
    mixtures: of one layer, one a class.
  """

  def __init__(self, mixtures: list[GaussianMixture]) -> None:
    rank = max(len(mixture.base.eigenvalues) for mixture in mixtures)
    packed = [_pack(mixture, rank) for mixture in mixtures]
    self._arrays = {
      key: tf.constant(np.stack([one[key] for one in packed]), tf.float32) for key in packed[0]
    }

  def of_class(self, label: Tensor) -> dict[str, Tensor]:
    """The arrays of one class (int32 scalar), picked once a batch."""
    return {key: values[label] for key, values in self._arrays.items()}


def _pack(mixture: GaussianMixture, rank: int) -> dict[str, np.ndarray[Any, Any]]:
  base, size = mixture.base, mixture.means.shape[1]
  full = len(base.eigenvalues) == mixture.width
  outside = 0.0 if full else 1 / base.floor
  basis = np.zeros((mixture.width, rank))
  basis[:, : len(base.eigenvalues)] = base.basis
  # What a direction weighs beyond `outside`; the mixture speaks for the leading ones.
  trailing = np.zeros(rank)
  trailing[: len(base.eigenvalues)] = 1 / base.eigenvalues - outside
  trailing[:size] = -outside
  factors = np.linalg.cholesky(mixture.covariances)
  whitening = np.linalg.inv(factors)  # [M, p, p]
  return {
    "mean": base.mean,
    "inverse_scale": 1 / base.scale,
    "basis": basis,
    "outside": np.asarray(outside),
    "trailing": trailing,
    "leading": 1 / np.sqrt(base.eigenvalues[:size]),
    "whitening": whitening,
    "offsets": (whitening @ mixture.means[:, :, None])[..., 0],
    "log_weights": np.log(mixture.weights) - np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(1),
  }


def energy(arrays: dict[str, Tensor], features: Tensor) -> Tensor:
  """The chosen component's quadratic form [B] for features [B, C]; m' carries no gradient."""
  standard = (features - arrays["mean"]) * arrays["inverse_scale"]  # [B, C]
  turned = standard @ arrays["basis"]  # [B, r]
  shared = arrays["outside"] * tf.reduce_sum(standard**2, 1)
  shared += tf.linalg.matvec(turned**2, arrays["trailing"])  # [B]
  size = arrays["leading"].shape[-1]
  leading = turned[:, :size] * arrays["leading"]  # [B, p]
  residuals = tf.einsum("mqp,bp->bmq", arrays["whitening"], leading) - arrays["offsets"]
  forms = tf.reduce_sum(residuals**2, 2)  # [B, M]
  chosen = tf.argmax(arrays["log_weights"] - 0.5 * forms, axis=1, output_type=tf.int32)
  return shared + tf.gather(forms, tf.stop_gradient(chosen), batch_dims=1)
