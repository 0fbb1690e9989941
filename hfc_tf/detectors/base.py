"""The one protocol of all detectors: fit on AdvTrain, score anything, keep as plain arrays."""

from __future__ import annotations

import abc
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.base import BaseEstimator

from hfc_tf.checked import checked_taps, layer_list
from hfc_tf.detectors.learning import AdvTrain
from hfc_tf.detectors.storage import Array, Stored, Tensor
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import threshold_at_tnr
from hfc_tf.surroundings import default_settings
from hfc_tf.taps import TappedModel, Taps

Features = dict[str, Tensor]
Scores = npt.NDArray[np.float32]


class Detector(Stored, BaseEstimator, abc.ABC):  # type: ignore[misc]
  """Tells adversarials from clean images by the taps of the classifier.

  Constructors store hyperparameters, `fit` learns, learnt names end in `_`; `get_params`,
  `set_params` and `sklearn.base.clone` are scikit-learn's. No score depends on the unit of a
  channel: features are measured by their spread on Train. A subclass learns in
  `_learn` and scores in `score_tensor`, the one TensorFlow function behind `score`, export and
  attacks on detectors. Detectors that need the images themselves are `ImageDetector`s; who calls
  `fit` with the model and the images, and then `score_images`, need not know which is which.

  Attributes:
    key: name in the registry.
    reads: "features"; "head" if the last dense layer's kernel is needed to fit; "images".
    train_images: how many Train images of each class it needs at least.
    per_layer: whether each layer has a score of its own.
    differentiable: whether the score's gradient says anything.
    layers_: names of the layers the score reads, in network order.
    widths_: number of channels of each layer of Train. num_classes_: number of classes.
    threshold_: the score that 90 % of clean AdvTrain images do not exceed, by scores that were not
      learnt from the image they score.
  """

  reads: ClassVar[Literal["features", "head", "images"]] = "features"
  train_images: ClassVar[int] = 2
  per_layer: ClassVar[bool] = False
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
        after `Taps.concatenate`. Unless row i is made of clean image i, all parts have groups.
      model: the classifier; only detectors that read images need it.
      images: {"clean": ..., "noisy": ..., "adversarial": ...}, `[N, ...]` in the model's bounds,
        row by row those of the taps; only detectors that read images need them.

    Raises:
      InputError: features that are not finite or differ between the parts, too few Train or
        AdvTrain images, no groups or images where they are needed,
        scores that are not finite.
    """
    train = checked_taps(train, "Train", labelled=True)
    widths = {layer: np.asarray(values.shape[1]) for layer, values in train.features.items()}
    classes = train.logits.shape[1]
    parts = {"clean": clean, "noisy": noisy, "adversarial": adversarial}
    checked = {
      name: checked_taps(part, name, widths=widths, classes=classes)
      for name, part in parts.items()
      if part is not None
    }
    counts = np.bincount(train.labels, minlength=classes)
    if counts.min() < self.train_images:
      raise InputError(
        f"Train images with labels 0 to {classes - 1}, at least {self.train_images} of each",
        f"labels {np.unique(train.labels).tolist()}, {counts.min()} of class {counts.argmin()}",
        "give labelled Train taps of every class",
      )
    self.widths_, self.num_classes_ = widths, classes
    data = AdvTrain.of(checked["clean"], checked.get("noisy"), checked["adversarial"])
    if self.reads == "images":
      if model is not None:
        self._check_model(model)
      data = data.with_images(model, [(images or {}).get(name) for name in checked])
    self.layers_ = self._choose_layers(train)
    scores = self._finite(self._learn(train, data))
    self.threshold_ = threshold_at_tnr(scores[data.is_clean])
    self._freeze()
    return self

  def _choose_layers(self, train: Taps) -> list[str]:
    return layer_list([train.penultimate], train)

  @abc.abstractmethod
  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    """Sets the learnt names; returns out-of-fold scores of the AdvTrain rows `[N]`."""

  @abc.abstractmethod
  def score_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Scores `[B]` of channel means `{layer: [B, C]}` and logits `[B, K]`; higher = adversarial."""

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Scores of each layer alone `[B, L]`, in the order of `layers_`."""
    raise self._no_layers()

  def outputs(self, model: TappedModel, images: Tensor) -> dict[str, Tensor]:
    """What export serves, of images `[B, ...]` in [0, 1]: "score" `[B]`, "logits" `[B, K]` and,
    where there are such, "layer_scores" `[B, L]`."""
    logits, features = model(images)
    result = {"score": self.score_tensor(features, logits), "logits": logits}
    if self.per_layer:
      result["layer_scores"] = self.layer_tensor(features, logits)
    return result

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
    self._check_fitted()
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

  def _check_fitted(self) -> None:
    if not hasattr(self, "threshold_"):
      raise InputError("a fitted detector", f"{self.key} before fit", "call fit or load first")

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

  def _no_layers(self) -> InputError:
    return InputError("a detector with scores per layer", self.key, "leave out per_layer")

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

  def _run(self, function: Callable[[Features, Tensor], Tensor], taps: Taps) -> Array:
    """Runs a tensor function over checked taps in batches, with one trace for all of them."""
    compiled = self._compiled.get(function.__name__)
    if compiled is None:
      specs = {n: tf.TensorSpec([None, int(self.widths_[n])], tf.float32) for n in self.layers_}
      logits = tf.TensorSpec([None, self.num_classes_], tf.float32)
      traced = tf.function(function, input_signature=(specs, logits), autograph=False)
      compiled = self._compiled[function.__name__] = traced.get_concrete_function()
    parts = [
      compiled(
        {name: tf.constant(taps.features[name][rows]) for name in self.layers_},
        tf.constant(taps.logits[rows]),
      ).numpy()
      for rows in (slice(i, i + _BATCH) for i in range(0, max(len(taps), 1), _BATCH))
    ]
    return self._finite(np.asarray(np.concatenate(parts), np.float32))

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> Self:
    """Reads what `save` wrote.

    Raises:
      InputError: no such file, a damaged one, one of another detector or of hfc_tf 0.1.
    """
    detector = super().load(path)
    if not hasattr(detector, "widths_"):
      raise InputError(
        f"a {cls.key} that knows the widths of its layers",
        f"{path}, saved by hfc_tf 0.1.0 or before",
        "fit and save it again",
      )
    return detector

  def __repr__(self) -> str:
    settings = ", ".join(f"{name}={value!r}" for name, value in self.get_params(False).items())
    state = "not fitted"
    if hasattr(self, "threshold_"):
      state = f"fitted, {len(self.layers_)} of {len(self.widths_)} layers read, "
      state += f"{self.num_classes_} classes, threshold {self.threshold_:.4g}"
    return f"{type(self).__name__}({settings}): {state}"


_BATCH = 256
