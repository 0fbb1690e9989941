"""The one protocol of all detectors: fit on AdvTrain, score anything, keep as plain arrays."""

from __future__ import annotations

import abc
import inspect
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hfc_tf.detectors.learning import AdvTrain
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import threshold_at_tnr
from hfc_tf.taps import Taps

Array = npt.NDArray[Any]
Tensor = Any
Features = dict[str, Tensor]


class Detector(abc.ABC):
  """Tells adversarials from clean images by the taps of the classifier.

  Constructors store hyperparameters, `fit` learns, learnt names end in `_`. A subclass learns in
  `_learn` and scores in `score_tensor`, the one TensorFlow function behind `score`, export and
  attacks on detectors.

  Attributes:
    key: name in the registry.
    reads: "features", or "head" if the last dense layer's kernel is needed to fit.
    layers_: names of the layers the score reads, in network order.
    threshold_: the score that 90 % of clean AdvTrain images do not exceed, by scores that were not
      learnt from the image they score.
  """

  key: ClassVar[str]
  reads: ClassVar[Literal["features", "head"]] = "features"
  layers_: list[str]
  threshold_: float

  def fit(self, train: Taps, *, clean: Taps, noisy: Taps | None = None, adversarial: Taps) -> Self:
    """Learns what is normal from Train and what is adversarial from AdvTrain.

    Args:
      train: of the labelled, clean, unaugmented Train images.
      clean: of clean AdvTrain images.
      noisy: of noisy AdvTrain images, more examples of what is not adversarial.
      adversarial: of those attacked AdvTrain images that fooled the classifier.

    Raises:
      InputError: features that are not finite or differ between the parts, a class without
        Train images, too few AdvTrain images.
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
    raise InputError(
      "a detector with scores per layer (lid, maha, dnn)", self.key, "leave out per_layer"
    )

  @overload
  def score(self, taps: Taps, *, per_layer: Literal[False] = False) -> npt.NDArray[np.float32]: ...

  @overload
  def score(
    self, taps: Taps, *, per_layer: Literal[True]
  ) -> dict[str, npt.NDArray[np.float32]]: ...

  def score(
    self, taps: Taps, *, per_layer: bool = False
  ) -> npt.NDArray[np.float32] | dict[str, npt.NDArray[np.float32]]:
    """Scores float32 `[N]`, higher = more adversarial; with `per_layer`, such scores by layer name.

    Raises:
      InputError: features that are not finite or not those of `fit`.
    """
    if not hasattr(self, "threshold_"):
      raise InputError("a fitted detector", f"{self.key} before fit", "call fit or load first")
    if per_layer:
      return dict(zip(self.layers_, self._run(self.layer_tensor, taps).T, strict=True))
    return self._run(self.score_tensor, taps)

  def layer_scores(self, taps: Taps) -> dict[str, npt.NDArray[np.float32]]:
    """`score` with `per_layer=True`."""
    return self.score(taps, per_layer=True)

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

  def _freeze(self) -> None:
    """Makes tensors of the learnt arrays, once, so that traces capture instead of embed them."""
    self._compiled: dict[str, Callable[..., Tensor]] = {}
    self._tensors = {name: tf.constant(value) for name, value in self._arrays().items()}

  def _group(self, name: str) -> dict[str, Tensor]:
    """The tensors of a learnt dictionary, by key."""
    return {k.partition("/")[2]: v for k, v in self._tensors.items() if k.startswith(name + "/")}

  def _arrays(self) -> dict[str, Array]:
    """Learnt arrays by name; those of a dictionary as name/key."""
    arrays = {}
    for name, value in vars(self).items():
      if name.endswith("_") and isinstance(value, np.ndarray):
        arrays[name] = value
      elif name.endswith("_") and isinstance(value, dict):
        arrays |= {f"{name}/{key}": array for key, array in value.items()}
    return arrays

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes one npz: the learnt arrays by name, and `config`, a json text of all else."""
    arrays: dict[str, Any] = dict(self._arrays())
    plain = {
      name: value
      for name, value in vars(self).items()
      if not name.startswith("_") and not isinstance(value, (np.ndarray, dict))
    }
    arrays["config"] = np.array(json.dumps({"detector": self.key, "values": plain}))
    path = Path(path)
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
      np.savez(file, **arrays)
    beside.replace(path)

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> Self:
    """Reads what `save` wrote.

    Raises:
      InputError: no such file, a damaged one, or one of another detector.
    """
    arrays = read_arrays(path)
    config = json.loads(str(arrays.pop("config")))
    if config["detector"] != cls.key:
      raise InputError(f"a saved {cls.key}", config["detector"], "load it with its own class")
    names = inspect.signature(cls).parameters
    detector = cls(**{n: v for n, v in config["values"].items() if n in names})
    for name, value in config["values"].items():
      if name not in names:
        setattr(detector, name, value)
    for name, array in arrays.items():
      owner, _, key = name.partition("/")
      if key:
        vars(detector).setdefault(owner, {})[key] = array
      else:
        setattr(detector, name, array)
    detector._freeze()
    return detector


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
  """Arrays of a saved detector by name, `config` among them."""
  try:
    with np.load(path, allow_pickle=False) as file:
      arrays = {name: file[name] for name in file.files}
    json.loads(str(arrays["config"]))["detector"]
  except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
    raise InputError(
      "a saved detector (npz)", f"{path}: {error}", "save the fitted detector again"
    ) from error
  return arrays


def layer_list(layers: Sequence[str] | None, train: Taps) -> list[str]:
  """The layers asked for, or all."""
  return list(train.features) if layers is None else list(layers)


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
