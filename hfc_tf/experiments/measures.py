"""What experiments measure of penultimate features: gradients, directions, scores, distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from scipy.special import softmax
from scipy.stats import pearsonr
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from hfc_tf.densities import HierarchicalDensity
from hfc_tf.densities.energy import LayerEnergy, energy
from hfc_tf.evaluation.protocol import AttackResult
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


def analytic_gradient(features: Array, kernel: Array, bias: Array, targets: Array) -> Array:
  """grad_z J = sum_{k != c} p_k (w_k - w_c)   (TMI Eq. 12), float64 [N, C].

  Args:
    features: z [N, C]. kernel: w [C, K]. bias: [K]; all float64. targets: c, int [N].
  """
  p = softmax(features @ kernel + bias, axis=1)  # [N, K]
  return np.asarray(np.einsum("nk,nck->nc", p, gaps(kernel, targets)))


def automatic_gradient(features: Array, kernel: Array, bias: Array, targets: Array) -> Array:
  """The same from TensorFlow's tape: J = ln sum_k exp(l_k - l_c), float64 [N, C].

  The differences are taken of the weights, not of the logits: next to a probability of one, what
  is left of the gradient would else be rounding.
  """
  z, differences = tf.constant(features, tf.float64), tf.constant(gaps(kernel, targets))
  offsets = tf.constant(bias[None] - bias[targets][:, None], tf.float64)  # [N, K]
  with tf.GradientTape() as tape:
    tape.watch(z)
    loss = tf.reduce_logsumexp(tf.einsum("nc,nck->nk", z, differences) + offsets, axis=1)
  return np.asarray(tape.gradient(loss, z))


def gaps(kernel: Array, targets: Array) -> Array:
  """w_ik - w_ic of channel i, float64 [N, C, K]; see `analytic_gradient`."""
  return np.asarray(kernel[None] - kernel.T[targets][:, :, None])


def consistent(kernel: Array, targets: Array) -> Array:
  """Where w_ic >= w_ik for every k: the channels 'Consistent_c' of TMI Eq. 13, bool [N, C]."""
  return np.asarray((gaps(kernel, targets) <= 0).all(2))


def gradient_path(
  path: Sequence[Array], kernel: Array, bias: Array, targets: Array, channels: Array
) -> list[tuple[float, float | None, float | None]]:
  """Eq. 12 against the tape, and whether signs stay, for the features [N, C] of each step.

  Returns:
    Of each the largest difference of the two gradients in units of the largest |w_ik - w_ic|, and
    the shares of (image, channel) that have kept the first step's sign, on some channels, bool
    [N, C], and elsewhere; None where there are none.
  """
  scale, stays = np.abs(gaps(kernel, targets)).max(), np.ones_like(channels)
  figures, start = [], None
  for features in path:
    gradient = automatic_gradient(features, kernel, bias, targets)
    error = np.abs(gradient - analytic_gradient(features, kernel, bias, targets)).max() / scale
    start = np.sign(gradient) if start is None else start
    stays &= np.sign(gradient) == start
    same, other = (
      float(stays[some].mean()) if some.any() else None for some in (channels, ~channels)
    )
    figures.append((float(error), same, other))
  return figures


def commonest(labels: Array, targets: Array) -> Array:
  """The images of the pair (class, target) that most images have, bool [N]."""
  pairs = list(zip(labels.tolist(), targets.tolist(), strict=True))
  return np.array([pair == max(set(pairs), key=pairs.count) for pair in pairs])


def correlation(change: Array, direction: Array) -> float | None:
  """Pearson's correlation over channels [C]."""
  return float(pearsonr(change, direction)[0]) if np.ptp(change) > 0 else None


def cosine(a: Array, b: Array, channels: Array) -> float | None:
  """Mean over images of the cosine of two changes [N, C] on some channels, bool [N, C]."""
  values = cosines(a, b, channels)
  return float(values.mean()) if len(values) else None


def cosines(a: Array, b: Array, channels: Array) -> Array:
  """The cosine of each image that both changes [N, C] move on some channels, bool [N, C]."""
  a, b = np.where(channels, a, 0), np.where(channels, b, 0)
  norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
  moved = norms > 0
  return np.asarray((a * b).sum(1)[moved] / norms[moved])


def hfc_score(density: HierarchicalDensity, taps: Taps, name: str | None = None) -> Array:
  """S_HFC of a layer's features under the predicted class   (TMI Eq. 19), float32 [N].

  Of the penultimate layer's, as in the paper, where no name is given.
  """
  name = name or taps.penultimate
  layer, features, predictions = (
    LayerEnergy(density.mixtures_[name]), taps.features[name], taps.predictions,
  )  # fmt: skip
  scores = np.empty(len(taps), np.float32)
  for label in np.unique(predictions):
    rows = predictions == label
    scores[rows] = energy(layer.of_class(tf.constant(label)), tf.constant(features[rows])).numpy()
  return scores


class Separability(NamedTuple):
  """How well a set of features can be told from normal ones; None where a set has fewer than two.

  Attributes:
    neighbours: share of images, as many of each set, whose nearest neighbour is of their own set;
      0.5 is not at all.
    silhouette: the coefficient of the two sets (Rousseeuw, 1987).
    distance: see `relative_distance`.
  """

  neighbours: float | None
  silhouette: float | None
  distance: float | None


def separability(normal: Array, other: Array, seed: int) -> Separability:
  """Tells normal features [n, C] from others [m, C]; of each, min(n, m) are drawn by `seed`."""
  size = min(len(normal), len(other))
  if size < 2:
    return Separability(None, None, None)
  rng = np.random.default_rng(seed)
  points = np.concatenate([draw(rng, x, size) for x in (normal, other)])
  sides = np.repeat([0, 1], size)
  nearest = NearestNeighbors(n_neighbors=1).fit(points).kneighbors()[1][:, 0]
  return Separability(
    float(np.mean(sides[nearest] == sides)),
    float(silhouette_score(points, sides)),
    relative_distance(normal, other),
  )


def relative_distance(normal: Array, other: Array) -> float | None:
  """Median distance to the nearest normal image, in units of what normal images [n, C] have."""
  search = NearestNeighbors(n_neighbors=1).fit(normal)
  spacing = float(np.median(search.kneighbors()[0]))
  return float(np.median(search.kneighbors(other)[0])) / spacing if spacing else None


def draw(rng: np.random.Generator, values: Array, most: int) -> Array:
  """So many of the values [n, ...] at most, in their order."""
  return values[np.sort(rng.choice(len(values), min(most, len(values)), replace=False))]


def at_one_target(clean: Taps, attacks: Mapping[str, AttackResult]) -> tuple[int, dict[str, Taps]]:
  """The class that most attacks aim at, and the groups of images that belong to it.

  "clean_original" (the other classes), "clean_target", and of each attack those that reached it.
  """
  targets = next(iter(attacks.values())).targets
  target = int(np.bincount(targets).argmax())
  reached = {group: x.taps[x.success & (targets == target)] for group, x in attacks.items()}
  normal = {"clean_original": clean[clean.labels != target],
            "clean_target": clean[clean.labels == target]}  # fmt: skip
  return target, normal | reached
