"""The artefacts that every experiment starts from, in the order in which they are made."""

from __future__ import annotations

import copy
import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from absl import logging

from hfc_tf import progress
from hfc_tf.attacks import BIM, Attack
from hfc_tf.attacks.objectives import HFC, Objective
from hfc_tf.data import splits
from hfc_tf.data.dataset import Dataset, with_channels
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.distribute import Executor, executor
from hfc_tf.evaluation import sanity
from hfc_tf.models import training
from hfc_tf.results.rows import SanityRow
from hfc_tf.storage.files import writable_folder, write_files
from hfc_tf.storage.store import Store
from hfc_tf.study import adversarials, attacks, stages
from hfc_tf.study.config import Config
from hfc_tf.study.sources import attacked_steps, check, check_accuracy, load_sources, select
from hfc_tf.study.victim import load_victim
from hfc_tf.taps import TappedModel, Taps

Array = np.ndarray[Any, Any]
Made = TypeVar("Made")


class Study:
  """One study: images, classifier, Train, AdvTrain and AdvTest, density, attacks.

  Args:
    config: resolved.
    store, dataset, split: those at hand already, instead of what the configuration names.

  Attributes:
    warnings: what a reader of the results must know first.
    timing: seconds by kind of work. sanity: rows of rules that need no network.
    train, train_key: taps of clean Train images, and their key.
    rows_of, targets, clean: of "adv_train" and "adv_test". classifier: how good it is on Test.
    split: with AdvTrain and AdvTest. dropped: how many Test images the classifier gets wrong.
  """

  def __init__(
    self,
    config: Config,
    store: Store | None = None,
    dataset: Dataset | None = None,
    split: splits.Split | None = None,
  ) -> None:
    self.begun = time.monotonic()
    self.warnings, self.sanity = list[str](), list[SanityRow]()
    self.timing: dict[str, float] = {}
    self._attacks: dict[tuple[Any, ...], Attack] = {}
    out = pathlib.Path(config.out)
    writable_folder(out)  # refused now, not when all is done
    self.store = store or Store(config.artefacts or out / "artefacts")
    given = (self.store, config, self.warn)
    self.sources = self.timed("data", lambda: load_sources(*given, dataset, split))
    self.warn(*check(config, self.sources.dataset, self.sources.split))
    progress.current.plan(attacked_steps(config, len(self.sources.split.test)) * progress.STEP)
    self.victim = self.timed("classifier", lambda: load_victim(*given, self.sources))
    if not config.batch_size:
      model, shape = self.victim.model, self.images_of(np.arange(1)).shape[1:]
      size = adversarials.batch_size(self.store, self.victim, BIM(model, steps=1), shape)
      config = dataclasses.replace(config, batch_size=size)
    self.config = config
    self._choose_images()  # first, since it may refuse the classifier
    self.train, self.train_key = self.timed("taps", lambda: self._taps(self.sources.split.train))

  def beside(
    self, name: str, images: Dataset | None = None, rows: splits.Split | None = None, **changes: Any
  ) -> Study:
    """Another study that shares this one's artefacts; its split is written to OUT/name.

    Args:
      images: its data set, if it is at hand.
      rows: its split, e.g. this one's; None: that of the configuration.
      changes: fields of `Config` that differ.
    """
    out = str(pathlib.Path(self.config.out) / name)
    config = dataclasses.replace(self.config, **{"out": out, **changes}).resolved()
    other = Study(config, self.store, images, rows)
    write_files(config.out, other.split_file)
    return other

  @property
  def split_file(self) -> dict[str, bytes]:
    """The split as a file that --split takes, by its name."""
    return {"split.json": splits.manifest(self.sources.dataset, self.split)}

  def warn(self, *warnings: str, first: bool = False) -> None:
    """Adds what a reader of the results must know, once, if so `first` of all."""
    new = [warning for warning in warnings if warning not in self.warnings]
    self.warnings[:] = [*new, *self.warnings] if first else [*self.warnings, *new]

  def timed(self, name: str, make: Callable[[], Made]) -> Made:
    """What `make` returns; its seconds are added to `timing`."""
    progress.current.report(name)
    begun, made = time.monotonic(), make()
    self.timing[name] = self.timing.get(name, 0.0) + time.monotonic() - begun
    return made

  def _taps(self, rows: Array) -> tuple[Taps, str]:
    return stages.clean_taps(self.store, self.sources, self.victim, rows)

  def _choose_images(self) -> None:
    config, split, dataset = self.config, self.sources.split, self.sources.dataset
    test, _ = self._taps(split.test)
    self.classifier = training.evaluate(test.logits, test.labels)
    logging.info("classifier on Test: %s", self.classifier)
    outcome = (self.classifier["confusion"], dataset.class_names)
    self.warn(*check_accuracy(config, *outcome), *sanity.collapsed(*outcome))
    self.warn(*sanity.untrained(float(self.classifier["accuracy"] or 0), test.labels))
    self.rows_of, self.targets, left_out = select(config, dataset, split, test)
    self.warn(*left_out)
    self.dropped = int((test.predictions != test.labels).sum())
    self.split = dataclasses.replace(split, **self.rows_of, seed=config.seed)
    self.clean = {subset: self._taps(rows)[0] for subset, rows in self.rows_of.items()}
    if config.free_channels and self.victim.channels == 3:
      self.warn(*sanity.coloured(int(dataset.grey(self.rows_of["adv_test"]).sum())))

  @functools.cached_property
  def density(self) -> HierarchicalDensity:
    """Of clean Train features."""
    return self.density_of(int(self.config.components or 1))

  def density_of(self, components: int) -> HierarchicalDensity:
    """The same with M components."""
    config, work = self.config, (self.store, self.train, self.train_key, components)
    return self.timed("density", lambda: stages.density(*work, config.seed, config.covariance))

  @functools.cached_property
  def hfc(self) -> HFC:
    """The hierarchical feature constraint of the study's density, at weight 1."""
    return HFC(self.density)

  @property
  def levels(self) -> int | None:
    """2^bits - 1 of the files that images are; None for floats."""
    return self.sources.dataset.levels

  @functools.cached_property
  def executor(self) -> Executor | None:
    """Who makes attacked images and their taps; None: this process."""
    config, names = self.config, ("ray_address", "workers", "threads")
    settings: dict[str, Any] = {name: getattr(config, name) for name in names}
    return executor(config.distribute, **settings) if config.distribute else None

  @functools.cached_property
  def attacked_model(self) -> TappedModel:
    """The classifier as attacks run it; the images that they make are judged by `victim`."""
    model, precision = self.victim.model, self.config.precision
    return model if precision == model.precision else model.variant(precision=precision)

  def attack(
    self, name: str, *terms: Objective, eps: float | None = None, kappa: float | None = None
  ) -> Attack:
    """An attack on the study's classifier with the study's settings.

    Args:
      terms: what joins its objective, e.g. `study.hfc`; the same terms share a compiled loop.
      kappa: balances the terms against this lead of the target, see `GradientAttack.balanced`.
      eps: another budget, N / 256 as that of --eps; with it grows the step, or with --fixed=step
        the number of steps. Not heard by attacks that look for the smallest perturbation.

    Raises:
      InputError: for a budget that images have none of, see `grid.check`.
    """
    if (name, kappa, *terms) not in self._attacks:
      work = (self.attacked_model, self.config, self.levels, self.train)
      self._attacks[name, kappa, *terms] = attacks.make(*work, name, terms, kappa)
    attack = copy.copy(self._attacks[name, kappa, *terms])
    attack.weights = dict(attack.weights)
    if eps is not None and attack.eps is not None:
      attacks.set_budget(attack, eps, self.levels, self.config.fixed)
    return attack

  def aimed(self, subset: str) -> Array:
    """Which are attacked, images of other classes than their target: bool [N]."""
    return np.asarray(self.targets[subset] != self.clean[subset].labels)

  def commonest_chunk(self) -> Array:
    """Numbers of AdvTrain images: one chunk of those that aim at the commonest target."""
    targets, aimed = self.targets["adv_train"], self.aimed("adv_train")
    commonest = np.bincount(targets[aimed]).argmax()
    return np.flatnonzero(aimed & (targets == commonest))[: self.config.batch_size]

  def attacked(
    self,
    name: str,
    attack: Attack,
    subset: str,
    some: Array | None = None,
    by: Study | None = None,
    stored: bool = True,
  ) -> Array:
    """Images under the attack, at the attack's present weights, as files hold them.

    Args:
      subset: "adv_train" or "adv_test". some: numbers of its images; None for all.
      by: the study whose classifier the attack was made on; None for this one.
      stored: False for the floats that the attack returns.
    """
    chosen = slice(None) if some is None else some
    rows, targets = self.rows_of[subset][chosen], self.targets[subset][chosen]
    threads = {"threads": self.config.threads} if self.config.distribute == "ray" else {}
    described: dict[str, Any] = {"label": name, **threads}
    work = (self.store, self.sources, (by or self).victim, attack, described, rows, targets)
    title = " ".join(["attack", name, *list(attack.weights)[1:]])
    size, executor = self.config.batch_size, self.executor
    images = self.timed(title, lambda: adversarials.attack_images(*work, size, executor))
    images = with_channels(images, self.victim.channels)
    for block in np.array_split(np.arange(len(rows)), 1 + len(rows) // 512):
      self.warn(*sanity.outside(name, self.images_of(rows[block]), images[block], attack.eps))
    return self.stored(images, subset, attack.eps, some) if stored else images

  def stored(
    self, images: Array, subset: str, eps: float | None, some: Array | None = None
  ) -> Array:
    """Attacked images of AdvTrain or AdvTest, all or some, as files hold them, see `on_grid`."""
    if self.levels is None:
      return images
    rows = self.rows_of[subset][slice(None) if some is None else some]
    return adversarials.stored_images(
      self.store, images, lambda place: self.images_of(rows[place]), eps, self.levels
    )

  def taps_of(self, images: Array, subset: str) -> tuple[Taps, Array]:
    """Taps of attacked AdvTrain or AdvTest, and their predictions after rounding to 8 bits."""
    clean, work = self.clean[subset], (self.executor, self.levels)
    return adversarials.image_taps(self.victim, images, clean.labels, clean.groups, *work)

  def images(self, subset: str, some: Array | None = None) -> Array:
    """Clean images of AdvTrain or AdvTest, all or some of them by their number."""
    return self.images_of(self.rows_of[subset][slice(None) if some is None else some])

  def images_of(self, rows: Array) -> Array:
    """Clean images by their rows in the data set, with the classifier's channels."""
    return self.sources.dataset.images(rows, self.victim.channels)
