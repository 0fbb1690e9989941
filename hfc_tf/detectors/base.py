"""The one protocol of all detectors: fit on AdvTrain, score anything, keep as plain arrays."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hfc_tf.detectors.learning import AdvTrain
from hfc_tf.detectors.storage import Array, Stored, Tensor
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import threshold_at_tnr
from hfc_tf.surroundings import default_settings
from hfc_tf.taps import TappedModel, Taps

Features = dict[str, Tensor]
Scores = npt.NDArray[np.float32]


class Detector(Stored, abc.ABC):
  """Tells adversarials from clean images by the taps of the classifier.

  Constructors store hyperparameters, `fit` learns, learnt names end in `_`. A subclass learns in
  `_learn` and scores in `score_tensor`, the one TensorFlow function behind `score`, export and
  attacks on detectors. Detectors that need the images themselves are `ImageDetector`s; who calls
  `fit` with the model and the images, and then `score_images`, need not know which is which.

  Attributes:
    key: name in the registry.
    reads: "features"; "head" if the last dense layer's kernel is needed to fit; "images".
    per_layer: whether each layer has a score of its own.
    differentiable: whether the score's gradient says anything.
    layers_: names of the layers the score reads, in network order.
    threshold_: the score that 90 % of clean AdvTrain images do not exceed, by scores that were not
      learnt from the image they score.
  """

  reads: ClassVar[Literal["features", "head", "images"]] = "features"
  per_layer: ClassVar[bool] = False
  differentiable: ClassVar[bool] = True
  layers_: list[str]
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
        after `Taps.concatenate`, with groups.
      model: the classifier; only detectors that read images need it.
      images: {"clean": ..., "noisy": ..., "adversarial": ...}, `[N, ...]` in the model's bounds,
        row by row those of the taps; only detectors that read images need them.

    Raises:
      InputError: features that are not finite or differ between the parts, a class without
        Train images, too few AdvTrain images, no images where they are needed.
    """
    parts = {"Train": train, "clean": clean, "noisy": noisy, "adversarial": adversarial}
    for name, part in parts.items():
      if part is not None and len(part):
        _check(name, part, train)
    classes, found = np.arange(train.logits.shape[1]), np.unique(train.labels)
    if not np.array_equal(classes, found):
      raise InputError(
        f"Train images with labels 0 to {classes[-1]}, each of them",
        f"labels {found.tolist()}",
        "give labelled Train taps of every class",
      )
    data = AdvTrain.of(clean, noisy, adversarial)
    if self.reads == "images":
      used = [name for name in ("clean", "noisy", "adversarial") if parts[name] is not None]
      data = data.with_images(model, [(images or {}).get(name) for name in used])
    self.layers_ = self._choose_layers(train)
    scores = self._learn(train, data)
    self.threshold_ = threshold_at_tnr(scores[data.is_clean])
    self._freeze()
    return self

  def _choose_layers(self, train: Taps) -> list[str]:
    return [train.penultimate]

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
      InputError: features that are not finite or not those of `fit`.
    """
    self._check_fitted()
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

  def _no_layers(self) -> InputError:
    return InputError("a detector with scores per layer", self.key, "leave out per_layer")

  def _run(self, function: Callable[[Features, Tensor], Tensor], taps: Taps) -> Array:
    """Runs a tensor function over taps in batches, with one trace for all of them."""
    missing = [name for name in self.layers_ if name not in taps.features]
    if missing:
      raise InputError(f"taps of layer {missing[0]}", "none", "use the taps of the fitted model")
    features = {name: taps.features[name] for name in self.layers_}
    for name, values in features.items():
      _check_finite(name, values)
    compiled = self._compiled.get(function.__name__)
    if compiled is None:
      specs = {n: tf.TensorSpec([None, v.shape[1]], tf.float32) for n, v in features.items()}
      logits = tf.TensorSpec([None, taps.logits.shape[1]], tf.float32)
      traced = tf.function(function, input_signature=(specs, logits), autograph=False)
      compiled = self._compiled[function.__name__] = traced.get_concrete_function()
    parts = [
      compiled(
        {name: tf.constant(values[start : start + _BATCH]) for name, values in features.items()},
        tf.constant(taps.logits[start : start + _BATCH]),
      ).numpy()
      for start in range(0, max(len(taps), 1), _BATCH)
    ]
    return np.asarray(np.concatenate(parts), np.float32)


def layer_list(layers: Sequence[str] | None, train: Taps) -> list[str]:
  """The layers asked for, in the order of the network, or all.

  Raises:
    InputError: for a layer that Train lacks.
  """
  wanted = list(train.features) if layers is None else list(layers)
  unknown = [name for name in wanted if name not in train.features]
  if unknown or not wanted:
    known = ", ".join(train.features)
    raise InputError(f"layers among {known}", ", ".join(unknown) or "none", "name one of them")
  return [name for name in train.features if name in wanted]


_BATCH = 256


def _check(name: str, part: Taps, train: Taps) -> None:
  """Raises unless a part has the layers of Train and finite features."""
  widths = {n: v.shape[1] for n, v in part.features.items()}
  if widths != {n: v.shape[1] for n, v in train.features.items()}:
    raise InputError(
      f"the {len(train.features)} layers of Train",
      f"others in the {name} taps",
      "take all taps from one model",
    )
  for layer, values in part.features.items():
    _check_finite(layer, values)


def _check_finite(layer: str, values: Array) -> None:
  if not np.isfinite(values).all():
    raise InputError(
      "finite features",
      f"NaN or infinity in layer {layer}",
      "check the images and the model's weights",
    )
