"""Terms on features: a layer's mean, a detector's score, and HFC's rivals of the papers."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.draws import uniform
from hfc_tf.attacks.objectives.base import Batch, Objective, Tensor
from hfc_tf.detectors.base import Detector
from hfc_tf.detectors.images import ImageDetector
from hfc_tf.detectors.kernel_density import KernelDensity
from hfc_tf.detectors.lid import squared_distances
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel, Taps

Layers = Iterable[str] | None
_SMALLEST = 1e-12  # of (r_n / r_k)^2
_LARGEST = 1e3  # of an LID


class FeatureMean(Objective):
  """J = mean(f^l) to push the features of layer l down (sign 1), -mean(f^l) to push them up (-1).

  (MICCAI section 3 and Table 1, TMI section III-C and Fig. 4.)
  """

  def __init__(self, layer: str, sign: int = 1) -> None:
    if sign not in (1, -1):
      raise InputError("sign 1 (down) or -1 (up)", str(sign), "pass one of them")
    self.name = f"mean of {layer}"
    self.layer = layer
    self.sign = sign
    self._reads = {layer: None}

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    return self.sign * tf.reduce_mean(features[self.layer], 1)


class DetectorScore(Objective):
  """J = d(x), the score of a detector, which is higher for adversarial images.

  Args:
    detector: fitted; of one that moves in steps `Detector.attacked_tensor` has a gradient.
    model: the classifier, for a detector that reads images; else an InputError, as without `fit`.
  """

  def __init__(
    self, detector: Detector, weight: float = 1.0, model: TappedModel | None = None
  ) -> None:
    if not hasattr(detector, "threshold_"):
      raise InputError("a fitted detector", f"{detector.key} before fit", "call fit or load first")
    of_images = isinstance(detector, ImageDetector)
    if of_images and model is None:
      expected = "the classifier of a detector that reads images"
      raise InputError(expected, f"{detector.key} alone", "pass model=")
    self.name = f"detector_{detector.key}"
    self.detector = detector
    self.weight = weight
    self._model = model
    self._reads = {} if of_images else dict.fromkeys(detector.layers_)

  @functools.cached_property
  def description(self) -> dict[str, Any]:
    """As of any term, and a digest of what the detector has learnt."""
    return {**super().description, "learnt": self.detector.digest()}

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    if isinstance(self.detector, ImageDetector):
      shown = batch.images if batch.shown is None else batch.shown
      return self.detector.score_image_tensor(self._model, shown)  # type: ignore[arg-type]
    return self.detector.attacked_tensor({name: features[name] for name in self._reads}, logits)


class KDE(DetectorScore):
  """J = KD(x | c), the kernel density detector's score with c in place of the predicted class.

  The attack of Carlini and Wagner (2017) on that detector (TMI Eq. 20): of the density that the
  fitted detector scores, in its coordinates, with its bandwidth and on its side; MICCAI Table 3 and
  TMI Table II, "KDE".
  """

  toward_target = True

  def __init__(self, detector: KernelDensity, weight: float = 1.0) -> None:
    super().__init__(detector, weight)
    self.name = "kde"

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    of_target = tf.one_hot(batch.targets, self.detector.num_classes_)
    return super().term(state, batch, of_target, features)


class _Neighbours(Objective):
  """A term that compares features with those of Train images [T, C_l], both centred by layer.

  Distances between centred features keep their digits.
  """

  def __init__(self, train: Taps, layers: Iterable[str], weight: float) -> None:
    classes = np.unique(train.labels)
    if self.toward_target and not np.array_equal(classes, np.arange(train.logits.shape[1])):
      expected = f"Train images with labels 0 to {train.logits.shape[1] - 1}, each of them"
      remedy = "give labelled Train taps of every class"
      raise InputError(expected, f"labels {classes.tolist()}", remedy)
    self.weight = weight
    self.labels = train.labels
    self.center, self.reference = {}, {}
    for name in layers:
      if name not in train.features:
        raise InputError(f"a layer among {', '.join(train.features)}", name, "name one of them")
      values = np.asarray(train.features[name], np.float64)
      center = values.mean(0)
      self.center[name] = center.astype(np.float32)
      self.reference[name] = (values - center).astype(np.float32)
    self._reads = {name: len(center) for name, center in self.center.items()}
    self._reference = {name: tf.constant(values) for name, values in self.reference.items()}

  def prepare(self, batch: Batch) -> Any:
    """Which Train images are of the batch's one target class, bool [T]."""
    return tf.constant(self.labels) == batch.targets[0]

  def _centred(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: features[name] - center for name, center in self.center.items()}

  def _squared(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
    """|f - f(Train image)|^2 by layer, [B, T]."""
    centred = self._centred(features).items()
    return {name: squared_distances(values, self._reference[name]) for name, values in centred}


class Guide(_Neighbours):
  """J = mean_l |f^l(x) - f^l(guide)|^2 / v_l, the guide a Train image of the target class.

  Sabour et al. (2016); MICCAI Table 3 and TMI Table II, "Random" and "Closest". v_l, the variance
  of the layer's features on Train (summed over channels), makes layers weigh alike.

  Args:
    train: labelled taps of clean Train images.
    choice: "random", drawn for each sample, or "closest" by the same distance to the features of
      the clean image.
    layers: whose features are to be alike; None for the penultimate one.

  Raises:
    InputError: for another choice, a layer or a class that `train` lacks.
  """

  name = "guide"
  toward_target = True

  def __init__(
    self, train: Taps, choice: str = "random", layers: Layers = None, weight: float = 1.0
  ) -> None:
    if choice not in ("random", "closest"):
      raise InputError("a guide 'random' or 'closest'", repr(choice), "pass one of them")
    super().__init__(train, [train.penultimate] if layers is None else layers, weight)
    self.choice = choice
    self.reads_clean = choice == "closest"
    self.variance = {
      name: max(float((values**2).sum(1).mean()), 1e-12) for name, values in self.reference.items()
    }

  def prepare(self, batch: Batch) -> dict[str, Tensor]:
    """The guides' features less the mean, by layer, [B, C_l]."""
    candidates = super().prepare(batch)  # [T]
    if self.choice == "closest":
      squared = self._squared(batch.features)
      distances = tf.add_n([values / self.variance[name] for name, values in squared.items()])
      chosen = tf.argmin(tf.where(candidates, distances, distances.dtype.max), 1)
    else:
      drawn = uniform(batch.ids, 1, batch.seed, tf.constant(-1))  # [B, 1]
      rank = tf.cumsum(tf.cast(candidates, tf.int32))  # [T], 1 ... n within the class
      wanted = 1 + tf.cast(drawn * tf.cast(rank[-1], tf.float32), tf.int32)
      chosen = tf.argmax(tf.cast(candidates & (rank == tf.minimum(wanted, rank[-1])), tf.int32), 1)
    return {name: tf.gather(values, chosen) for name, values in self._reference.items()}

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    squared = [
      tf.reduce_sum((values - state[name]) ** 2, 1) / self.variance[name]
      for name, values in self._centred(features).items()
    ]
    return tf.add_n(squared) / len(squared)


class LID(_Neighbours):
  """J = mean_l LID(f^l(x)),  LID(f) = -(1/k sum_n ln(r_n / r_k))^-1   (TMI Eq. 22).

  The attack of Athalye et al. (2018) on the LID detector; MICCAI Table 3 and TMI Table II, "LID".
  r_n is the distance to the n-th nearest of a batch of Train images drawn once.

  Args:
    train: taps of clean Train images.
    k: neighbours.
    reference: images in the batch, drawn by `seed`.
    layers: whose dimensionality is meant; None for all.

  Raises:
    InputError: unless 1 < k <= reference <= images of Train.
  """

  name = "lid"

  def __init__(
    self,
    train: Taps,
    k: int = 20,
    reference: int = 100,
    layers: Layers = None,
    weight: float = 1.0,
    seed: int = 0,
  ) -> None:
    if not 1 < k <= reference <= len(train):
      actual = f"k={k}, reference={reference}, {len(train)} images"
      raise InputError("1 < k <= reference <= images of Train", actual, "lower k or reference")
    rows = np.random.default_rng(seed).permutation(len(train))[:reference]
    super().__init__(train[rows], train.features if layers is None else layers, weight)
    self.k = k

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    squared = self._squared(features).values()
    return tf.add_n([self._dimensionality(each) for each in squared]) / len(squared)

  def _dimensionality(self, squared: Tensor) -> Tensor:
    """LID [B] from squared distances [B, R]."""
    nearest = -tf.math.top_k(-squared, self.k).values  # [B, k], ascending
    ratios = tf.maximum(nearest / tf.maximum(nearest[:, -1:], 1e-30), _SMALLEST)
    return 1.0 / tf.maximum(-0.5 * tf.reduce_mean(tf.math.log(ratios), 1), 1.0 / _LARGEST)
