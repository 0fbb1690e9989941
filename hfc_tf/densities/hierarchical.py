"""The density of normal features: one Gaussian mixture a layer and class."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import time
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from absl import logging
from sklearn.exceptions import ConvergenceWarning

from hfc_tf.checked import check_count, check_seed, checked_taps
from hfc_tf.densities.blocks import Array, Blocks
from hfc_tf.densities.gaussian import ShrunkGaussian
from hfc_tf.densities.mixture import GaussianMixture, check_covariance
from hfc_tf.errors import InputError
from hfc_tf.storage.arrays import save_arrays, users_arrays
from hfc_tf.surroundings import default_settings
from hfc_tf.taps import Taps

_FORMAT = 1
NARROW = 128  # channels of the widest taps that have full covariances
# absl's functions would give the root logger a handler that the program has not asked for.
_LOG = logging.get_absl_logger()
_AT_ONCE = 3  # fits, whose small operations would leave cores idle
_LEAST = 1e-3  # of a channel's deviation over all classes: the least it may have in one


@dataclasses.dataclass(eq=False, repr=False)
class HierarchicalDensity:
  """p(f^l | c): a Gaussian mixture for every layer l and class c   (TMI Eq. 14, Algorithm 1).

      density = HierarchicalDensity(components=16).fit(model.taps(images, labels))

  Fit it on clean, unaugmented training images.

  Args:
    components: M; the papers take 64 on fundus and 16 (TMI) on chest images.
    covariance: "low_rank" (see GaussianMixture) fits held-out features best at every width. "full"
      is a control: taps of at most 128 channels, in units of their deviations, have the dense
      covariances of scikit-learn's GaussianMixture; wider ones stay "low_rank".
    subspace: leading principal directions in which components of "low_rank" differ.
    iterations: EM iterations at the most.
    tolerance: EM stops when the penalised log-likelihood a sample gains less.
    seed: of the starts.
  """

  components: int = 16
  _: dataclasses.KW_ONLY
  covariance: str = "low_rank"
  subspace: int = 32
  iterations: int = 100
  tolerance: float = 1e-3
  seed: int = 0
  mixtures_: dict[str, list[GaussianMixture]] = dataclasses.field(init=False)

  def __post_init__(self) -> None:
    check_count("component", self.components)
    check_count("direction (subspace)", self.subspace)
    check_count("iteration", self.iterations)
    check_seed(self.seed)
    if not self.tolerance > 0:
      raise InputError("tolerance > 0", str(self.tolerance), "leave it at 1e-3")
    check_covariance(self.covariance)

  @default_settings()
  def fit(self, taps: Taps) -> HierarchicalDensity:
    """Learns every mixture from labelled taps of clean Train images.

    Raises:
      InputError: where a class has fewer images than components, for labels that are no classes,
        and for features that are not finite.
    """
    taps = checked_taps(taps, "Train", labelled=True)
    classes = taps.logits.shape[1]
    counts = np.bincount(taps.labels, minlength=classes)
    fewest = int(counts.min())
    if fewest < max(self.components, 2):
      raise InputError(
        f"at least {max(self.components, 2)} images of each class for {self.components} components",
        f"{fewest} of class {counts.argmin()}",
        "give more images or lower --components",
      )
    # A channel that does not move in one class is still measured by how it moves in all.
    least = {name: _LEAST * Blocks(each).deviation()[1] for name, each in taps.features.items()}

    def fit(job: tuple[str, int]) -> GaussianMixture:
      name, label = job
      blocks = Blocks(taps.features[name], np.flatnonzero(taps.labels == label))
      return GaussianMixture.fit(
        blocks,
        self.components,
        covariance=self.covariance if blocks.width <= NARROW else "low_rank",
        subspace=min(self.subspace, blocks.width, max(fewest - 1, 1)),
        iterations=self.iterations,
        tolerance=self.tolerance,
        seed=self.seed,
        least=least[name],
      )

    widths = [each.shape[1] for each in taps.features.values()]
    wide = sum(width > NARROW for width in widths)
    thin = sum(width <= NARROW and width * self.components > fewest for width in widths)
    if self.covariance == "full" and wide + thin:
      _LOG.warning(
        "density: of %d layers %d are wider than %d channels and stay low rank, %d have fewer "
        "images than channels for a component: their covariances fit Train alone",
        len(widths), wide, NARROW, thin,
      )  # fmt: skip
    jobs = list(itertools.product(taps.features, range(classes)))
    self.mixtures_ = {name: [] for name in taps.features}
    logged = time.monotonic()
    with warnings.catch_warnings(), ThreadPoolExecutor(_AT_ONCE) as pool:
      warnings.simplefilter("ignore", ConvergenceWarning)  # one line below says it
      for number, ((name, _), mixture) in enumerate(zip(jobs, pool.map(fit, jobs), strict=True)):
        self.mixtures_[name].append(mixture)
        if time.monotonic() > logged + 10:
          logged = time.monotonic()
          _LOG.info("density: mixture %d of %d", number + 1, len(jobs))
    slow = sum(not mixture.converged for each in self.mixtures_.values() for mixture in each)
    if slow:
      _LOG.warning("density: EM stopped at %d iterations in %d fits", self.iterations, slow)
    return self

  def __repr__(self) -> str:
    settings = ", ".join(f"{name}={value!r}" for name, value in self._settings().items())
    state = "not fitted"
    if hasattr(self, "mixtures_"):
      state = f"fitted, {len(self.layers)} layers, {self.num_classes} classes"
    return f"HierarchicalDensity({settings}): {state}"

  def _settings(self) -> dict[str, Any]:
    return {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.init}

  @property
  def layers(self) -> tuple[str, ...]:
    """The layers in the order of the network."""
    return tuple(self.mixtures_)

  @property
  def num_classes(self) -> int:
    """K."""
    return len(next(iter(self.mixtures_.values())))

  def log_prob(self, features: Mapping[str, Any], classes: Any) -> dict[str, Array]:
    """ln p(f^l | c_n) by layer, each [N], for features {layer: [N, C_l]} and classes [N]."""
    result: dict[str, Array] = {}
    for name, mixtures in self.mixtures_.items():
      values = np.empty(len(classes))
      for label, mixture in enumerate(mixtures):
        rows = np.asarray(classes) == label
        values[rows] = mixture.log_prob(features[name][rows])
      result[name] = values
    return result

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes named arrays (npz, no pickle)."""
    fitted = {"layers": self.layers, "classes": self.num_classes}
    settings = {"format": _FORMAT, **self._settings(), **fitted}
    arrays: dict[str, Any] = {"settings": np.array(json.dumps(settings))}
    for number, mixtures in enumerate(self.mixtures_.values()):
      for label, mixture in enumerate(mixtures):
        values = {key: getattr(mixture, key) for key in ("weights", "means", "covariances")}
        values |= dataclasses.asdict(mixture.base)
        values["basis"] = values["basis"].astype(np.float32)
        arrays |= {f"{number}/{label}/{key}": value for key, value in values.items()}
    save_arrays(path, arrays, checksum=True)

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> HierarchicalDensity:
    """Reads what `save` wrote.

    Raises:
      InputError: no such file, a damaged one, or one of another kind.
    """
    expected, remedy = f"a density of format {_FORMAT} (npz)", "save the fitted density again"
    arrays = users_arrays(path, expected, remedy)
    try:
      settings = json.loads(str(arrays["settings"]))
      if settings.pop("format") != _FORMAT:
        raise ValueError("another format")
      layers, classes = settings.pop("layers"), settings.pop("classes")
      density = cls(settings.pop("components"), **settings)
      density.mixtures_ = {
        name: [_read(arrays, f"{number}/{label}/") for label in range(classes)]
        for number, name in enumerate(layers)
      }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
      raise InputError(expected, f"{path}: {type(error).__name__}: {error}", remedy) from error
    return density


def _read(arrays: Any, prefix: str) -> GaussianMixture:
  def get(*keys: str) -> dict[str, Any]:
    return {key: np.asarray(arrays[prefix + key], np.float64) for key in keys}

  floor = float(arrays[prefix + "floor"])
  base = ShrunkGaussian(**get("mean", "scale", "basis", "eigenvalues"), floor=floor)
  return GaussianMixture(base, **get("weights", "means", "covariances"))
