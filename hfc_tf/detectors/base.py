"""The one protocol of all detectors: fit on AdvTrain, score anything, save as plain arrays."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.base import BaseEstimator

from hfc_tf.checked import checked_taps, layer_list
from hfc_tf.detectors.gaussians import spread
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor, logistic_score
from hfc_tf.detectors.storage import Stored
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import threshold_at_tnr
from hfc_tf.surroundings import default_settings
from hfc_tf.taps import TappedModel, Taps

Features = dict[str, Tensor]
Scores = npt.NDArray[np.float32]
REGULARISATIONS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
_BATCH = 256


class Detector(Stored, BaseEstimator, abc.ABC):  # type: ignore[misc]
  """Tells adversarials from clean images by the taps of the classifier.

  Constructors store hyperparameters, `fit` learns, learnt names end in `_` and are arrays,
  dictionaries of arrays or plain values; `get_params`, `set_params` and `sklearn.base.clone` are
  scikit-learn's. No score, KD's as printed excepted, depends on the unit of a channel: features
  are measured by their spread on Train. A subclass learns in `_learn` and scores in `layer_tensor`
  and `join`, or else in `score_tensor`: TensorFlow functions behind `score`, export and attacks on
  detectors. Detectors that need the images themselves are `ImageDetector`s; who calls `fit` with
  the model and the images, and then `score_images`, need not know which is which.

  Several detectors take `layers`, names of the layers to read (None for all), `regularisations`,
  values of scikit-learn's C to choose from by cross-validation, and `seed`, of draws and folds.

  Attributes:
    key: name in the registry.
    reads: "features"; "head" if the last dense layer's kernel is needed to fit; "images".
    train_images: how many Train images of each class it needs at least.
    per_layer: whether each layer has a score of its own.
    differentiable: whether the score's gradient says anything; else see `attacked_tensor`.
    layers_: names of the layers the score reads, in network order.
    widths_: number of channels of each layer of Train. num_classes_: number of classes.
    threshold_: the score that 90 % of clean AdvTrain images do not exceed, by scores that were not
      learnt from the image they score.
  """

  reads: ClassVar[Literal["features", "head", "images"]] = "features"
  train_images: ClassVar[int] = 2
  per_layer: ClassVar[bool] = True
  differentiable: ClassVar[bool] = True
  layers_: list[str]
  widths_: dict[str, Array]
  num_classes_: int
  threshold_: float

  @default_settings()
  def fit(
    self,
    train: Taps,
    *,
    clean: Taps,
    noisy: Taps | None = None,
    adversarial: Taps,
    model: TappedModel | None = None,
    images: Mapping[str, Any] | None = None,
  ) -> Self:
    """Learns what is normal from Train and what is adversarial from AdvTrain.

    Args:
      train: of the labelled, clean, unaugmented Train images.
      clean: of clean AdvTrain images.
      noisy: of noisy AdvTrain images, more examples of what is not adversarial.
      adversarial: of those attacked AdvTrain images that fooled the classifier; of several attacks
        after `Taps.concatenate`. Unless row i is made of clean image i, all have groups.
      model: the classifier; only detectors that read images need it.
      images: {"clean": ..., "noisy": ..., "adversarial": ...}, `[N, ...]` in the model's bounds,
        row by row those of the taps; only detectors that read images need them.

    Raises:
      InputError: features that are not finite or differ between the taps, too few Train or
        AdvTrain images, no groups or images where they are needed, scores that are not finite.
    """
    train = checked_taps(train, "Train", labelled=True)
    widths = {layer: np.asarray(values.shape[1]) for layer, values in train.features.items()}
    classes = train.logits.shape[1]
    checked = functools.partial(checked_taps, widths=widths, classes=classes)
    clean, adversarial = checked(clean, "clean"), checked(adversarial, "adversarial")
    noisy = None if noisy is None else checked(noisy, "noisy")
    counts = np.bincount(train.labels, minlength=classes)
    if counts.min() < self.train_images:
      raise InputError(
        f"Train images with labels 0 to {classes - 1}, at least {self.train_images} of each",
        f"labels {np.unique(train.labels).tolist()}, {counts.min()} of class {counts.argmin()}",
        "give labelled Train taps of every class",
      )
    data = AdvTrain.of(clean, noisy, adversarial)
    self.__dict__.pop("threshold_", None)  # not fitted until all is learnt
    self.widths_, self.num_classes_ = widths, classes
    if self.reads == "images":
      if model is not None:
        self._check_model(model)
      data = data.with_images(model, images or {})
    self.layers_ = self._choose_layers(train)
    scores = self._finite(self._learn(train, data))
    self.threshold_ = threshold_at_tnr(scores[data.is_clean])
    self._freeze()
    return self

  def _choose_layers(self, train: Taps) -> list[str]:
    return layer_list(getattr(self, "layers", [train.penultimate]), train)

  @abc.abstractmethod
  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    """Sets the learnt names; returns out-of-fold scores of the AdvTrain rows `[N]`."""

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Scores `[B, L]` of each of `layers_` alone, of channel means `{layer: [B, C]}` and logits."""
    raise NotImplementedError

  def join(self, layers: Tensor) -> Tensor:
    """One score `[B]` of the layers' `[B, L]`: of a logistic regression if learnt, else the sum."""
    head = self._tensors.get("head_")
    return logistic_score(head, layers) if head else tf.reduce_sum(layers, axis=1)

  def score_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Scores `[B]` of channel means `{layer: [B, C]}` and logits `[B, K]`; higher = adversarial."""
    return self.join(self.layer_tensor(features, logits))

  def attacked_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """`score_tensor` with a gradient that says something, of a stand-in where its own does not."""
    return self.score_tensor(features, logits)

  def outputs(self, model: TappedModel, images: Tensor) -> dict[str, Tensor]:
    """Of images in [0, 1] "score" `[B]`, "logits" `[B, K]` and maybe "layer_scores" `[B, L]`."""
    logits, features = model(images)
    if not self.per_layer:
      return {"score": self.score_tensor(features, logits), "logits": logits}
    layers = self.layer_tensor(features, logits)
    return {"score": self.join(layers), "logits": logits, "layer_scores": layers}

  @overload
  def score(self, taps: Taps, *, per_layer: Literal[False] = False) -> Scores: ...

  @overload
  def score(self, taps: Taps, *, per_layer: Literal[True]) -> dict[str, Scores]: ...

  @default_settings()
  def score(self, taps: Taps, *, per_layer: bool = False) -> Scores | dict[str, Scores]:
    """Scores float32 `[N]`, higher = more adversarial; with `per_layer`, such scores by layer name.

    Raises:
      InputError: features that are not finite or not those of `fit`, scores that are not finite.
    """
    self._check_ready(per_layer)
    taps = checked_taps(taps, "scored", widths=self.widths_, classes=self.num_classes_)
    if per_layer:
      return dict(zip(self.layers_, self._run(self.layer_tensor, taps).T, strict=True))
    return self._run(self.score_tensor, taps)

  def layer_scores(self, taps: Taps) -> dict[str, Scores]:
    """`score` with `per_layer=True`."""
    return self.score(taps, per_layer=True)

  def score_images(self, model: TappedModel, images: Any) -> Scores:
    """`score` of images `[N, ...]` in the model's bounds: what any detector can do."""
    return self.score(model.taps(images))

  def layer_score_images(self, model: TappedModel, images: Any) -> dict[str, Scores]:
    """`layer_scores` of images `[N, ...]` in the model's bounds."""
    return self.layer_scores(model.taps(images))

  def _check_ready(self, per_layer: bool = False) -> None:
    if not hasattr(self, "threshold_"):
      raise InputError("a fitted detector", f"{self.key} before fit", "call fit or load first")
    if per_layer and not self.per_layer:
      raise InputError("a detector with scores per layer", self.key, "leave out per_layer")

  def _check_model(self, model: TappedModel) -> None:
    """Raises unless a model has the layers, widths and classes of the one that fit has seen."""
    if model.widths != self.widths_ or model.num_classes != self.num_classes_:
      raise InputError(
        f"the model that {self.key} was fitted on, {len(self.widths_)} layers "
        f"({', '.join(map(str, self.widths_.values()))} channels), {self.num_classes_} classes",
        f"one of {len(model.widths)} layers ({', '.join(map(str, model.widths.values()))} "
        f"channels), {model.num_classes} classes",
        "pass that model, or fit a detector on this one",
      )

  def _finite(self, scores: Array) -> Array:
    """The same scores `[N, ...]`, all of them numbers."""
    wrong = ~np.isfinite(scores).all(axis=tuple(range(1, scores.ndim)))
    if wrong.any():
      raise InputError(
        f"finite scores of the detector {self.key}",
        f"NaN or infinity for {wrong.sum()} of {len(scores)} images",
        "mend the detector, or check the images",
      )
    return scores

  def _learn_scale(self, train: Taps, centered: Taps) -> None:
    """The spread on Train of each layer's channels, and their mean over other taps."""
    self.center_: Any = {name: centered.features[name].mean(axis=0) for name in self.layers_}
    self.scale_: Any = {n: spread(train.features[n]).astype(np.float32) for n in self.layers_}
    self._freeze()

  def _standard(self, name: str, features: Tensor) -> Tensor:
    """A layer's features `[B, C]` in these units."""
    return (features - self._tensors["center_"][name]) / self._tensors["scale_"][name]

  def _run(self, function: Callable[[Features, Tensor], Tensor], taps: Taps) -> Array:
    """Runs a tensor function over checked taps in batches."""
    specs = {n: tf.TensorSpec([None, int(self.widths_[n])], tf.float32) for n in self.layers_}
    logits = tf.TensorSpec([None, self.num_classes_], tf.float32)
    batches = (
      ({name: taps.features[name][rows] for name in self.layers_}, taps.logits[rows])
      for rows in (slice(i, i + _BATCH) for i in range(0, max(len(taps), 1), _BATCH))
    )
    return self._batched(function.__name__, function, (specs, logits), batches)

  def _batched(
    self, key: Any, function: Callable[..., Tensor], signature: Any, batches: Iterable[Any]
  ) -> Array:
    """Runs a tensor function batch by batch, with one trace for all; while learning, a new one."""
    if not hasattr(self, "threshold_"):
      self._freeze()
    if key not in self._compiled:
      traced = tf.function(function, input_signature=signature, autograph=False)
      self._compiled[key] = traced.get_concrete_function()
    results = [self._compiled[key](*tf.nest.map_structure(tf.constant, each)) for each in batches]
    if not results:
      raise InputError("at least one image", "none", "pass images")
    return self._finite(np.concatenate(results).astype(np.float32))

  def __repr__(self) -> str:
    settings = ", ".join(f"{name}={value!r}" for name, value in self.get_params(False).items())
    state = "not fitted"
    if hasattr(self, "threshold_"):
      state = f"fitted, {len(self.layers_)} of {len(self.widths_)} layers read, "
      state += f"{self.num_classes_} classes, threshold {self.threshold_:.4g}"
    return f"{type(self).__name__}({settings}): {state}"
