"""The artefacts that every experiment starts from, in the order in which they are made."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.attacks import Attack, choose_targets
from hfc_tf.data import splits
from hfc_tf.data.dataset import stratified_subset
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.models import training
from hfc_tf.study import attacked, stages
from hfc_tf.study.config import Config
from hfc_tf.study.store import Store
from hfc_tf.taps import TappedModel, Taps

Array = np.ndarray[Any, Any]


class Study:
  """One study: images, classifier, Train, AdvTrain and AdvTest, density, attacks.

  Attributes:
    warnings: what a reader of the results must know first.
    timing: seconds by kind of work.
    rows_of, targets, clean: of "adv_train" and "adv_test".
  """

  def __init__(self, config: Config) -> None:
    self.config = config
    self.warnings: list[str] = []
    self.timing: dict[str, float] = {}
    self.store = Store(pathlib.Path(config.out) / "artefacts")
    self.sources = self.timed("data", self._sources)
    self.subject = self.timed("classifier", self._subject)
    self.train, self.train_key = self.timed(
      "taps", lambda: self._clean_taps(self.sources.split.train)
    )
    self._choose_images()

  def timed(self, name: str, make: Callable[[], Any]) -> Any:
    """What `make` returns; its seconds are added to `timing`."""
    begun = time.monotonic()
    made = make()
    self.timing[name] = self.timing.get(name, 0.0) + time.monotonic() - begun
    return made

  def _sources(self) -> stages.Sources:
    config = self.config
    dataset, key = stages.dataset(
      self.store,
      config.dataset,
      config.data_dir,
      config.image_size,
      config.seed,
      config.num_images,
    )
    own = pathlib.Path(config.out) / "split.json"
    split = None
    if config.split:
      split = splits.read_manifest(pathlib.Path(config.split), dataset)
    elif own.exists():
      kept = splits.read_manifest(own, dataset)
      if kept.seed == config.seed:
        # AdvTrain and AdvTest follow from Test, the classifier and the flags.
        split = splits.Split(train=kept.train, test=kept.test, seed=kept.seed)
    if split is None:
      train, test = splits.train_test(dataset, config.seed)
      split = splits.Split(train=train, test=test, seed=config.seed)
    shared = splits.straddling_groups(dataset, split.train, split.test)
    if shared:
      self.warnings.append(
        f"{shared} patients have images in both Train and Test of the given split."
      )
    fewest = int(np.bincount(dataset.labels[split.train], minlength=dataset.num_classes).min())
    if config.hfc and fewest < int(config.components or 1):
      raise InputError(
        f"at least {config.components} Train images of every class for as many components",
        f"{fewest}",
        "give more images or lower --components",
      )
    return stages.Sources(dataset, split, key)

  def _subject(self) -> stages.Subject:
    config = self.config
    if config.model_path:
      network, key = stages.users_classifier(config.model_path)
      if not config.split:
        self.warnings.append(
          "The model may have been trained on AdvTest: --model_path was given without --split."
        )
    else:
      network, key = stages.classifier(
        self.store,
        self.sources,
        str(config.model),
        {
          "epochs": config.epochs,
          "batch_size": 32,
          "learning_rate": config.learning_rate,
          "seed": config.seed,
          "weights": config.weights,
        },
      )
    model = TappedModel(network, preprocessing=stages.preprocessing(config.preprocessing))
    found = self.sources.dataset.num_classes
    if model.num_classes != found:
      raise InputError(
        f"a model with {found} classes", f"one with {model.num_classes}", "choose another --model"
      )
    return stages.Subject(model, f"{key}/{config.preprocessing}", int(model.input_shape[-1] or 1))

  def _clean_taps(self, rows: Array) -> tuple[Taps, str]:
    return stages.clean_taps(self.store, self.sources, self.subject, rows, 64)

  def _choose_images(self) -> None:
    """AdvTrain and AdvTest: Test images that the classifier gets right, and their targets."""
    config, split, dataset = self.config, self.sources.split, self.sources.dataset
    test, _ = self._clean_taps(split.test)
    self.classifier = training.evaluate(test.logits, test.labels)
    logging.info("classifier on Test: %s", self.classifier)
    accuracy = float(self.classifier["accuracy"] or 0)
    if accuracy < config.min_accuracy:
      raise InputError(
        f"a classifier with an accuracy of at least {config.min_accuracy:.2f} on Test",
        f"{accuracy:.3f}",
        "check --preprocessing, train longer, or lower --min_accuracy",
      )
    correct = test.predictions == test.labels
    targets = choose_targets(
      test.labels, test.logits, config.target, ids=split.test, seed=config.seed
    )
    self.dropped = int((~correct).sum())
    usable = correct & (targets != test.labels)
    by_row = dict(zip(split.test.tolist(), targets.tolist(), strict=True))
    limits = (config.max_adv_train, config.max_adv_test)
    if len(split.adv_train) and len(split.adv_test):
      allowed = split.test[usable]
      adv_train, adv_test = (
        part[stratified_subset(dataset.labels[part], limit, config.seed)]
        for given, limit in zip((split.adv_train, split.adv_test), limits, strict=True)
        for part in [np.intersect1d(given, allowed)]
      )
    else:
      adv_train, adv_test = splits.adversarial(dataset, split.test[usable], config.seed, *limits)
    self.rows_of = {"adv_train": adv_train, "adv_test": adv_test}
    self.targets = {
      part: np.array([by_row[row] for row in rows], np.int32) for part, rows in self.rows_of.items()
    }
    self.clean = {part: self._clean_taps(rows)[0] for part, rows in self.rows_of.items()}
    splits.write_manifest(
      pathlib.Path(config.out) / "split.json",
      dataset,
      dataclasses.replace(split, adv_train=adv_train, adv_test=adv_test, seed=config.seed),
    )

  @functools.cached_property
  def density(self) -> tuple[HierarchicalDensity, str]:
    """Of clean Train features."""
    config = self.config
    return self.timed(  # type: ignore[no-any-return]
      "density",
      lambda: stages.density(
        self.store, self.train, self.train_key, int(config.components or 1), config.seed
      ),
    )

  def attack_settings(self) -> dict[str, Any]:
    """Budget, step and chunk of both sides of a comparison."""
    config = self.config
    return {
      "eps": float(config.eps_256 or 0) / 256,
      "step_size": float(config.step_size_256 or 0) / 256,
      "steps": config.steps,
      "seed": config.seed,
      "batch_size": config.batch_size,
    }

  def attacked(self, name: str, attack: Attack, part: str, some: Array | None = None) -> Array:
    """The part's images (or some of them) under the attack, at the attack's present weights."""
    chosen = slice(None) if some is None else some
    rows, targets = self.rows_of[part][chosen], self.targets[part][chosen]
    described = {"label": name, **self.attack_settings(), "weights": attack.weights}
    if "hfc" in attack.weights:
      described["density"] = self.density[1]
    return self.timed(  # type: ignore[no-any-return]
      f"attack {name} hfc" if "hfc" in attack.weights else f"attack {name}",
      lambda: attacked.adversarials(
        self.store,
        self.sources,
        self.subject,
        attack,
        described,
        rows,
        targets,
        self.config.batch_size,
      ),
    )

  def taps_of(self, images: Array, part: str) -> tuple[Taps, Array]:
    """Taps of the part's attacked images, and their predictions after rounding to 8 bits."""
    clean = self.clean[part]
    return attacked.image_taps(self.subject, images, clean.labels, clean.groups, 64)

  def example_images(self, rows: Array) -> Array:
    """Clean AdvTest images by their number."""
    images: Array = self.sources.dataset.images(
      self.rows_of["adv_test"][rows], self.subject.channels
    )
    return images

  def results(self, seconds: float) -> dict[str, Any]:
    """What results.json tells of images, classifier and time."""
    dataset, groups = self.sources.dataset, self.sources.dataset.groups
    return {
      "timing": {
        **{name: round(value, 1) for name, value in self.timing.items()},
        "total": round(seconds, 1),
      },
      "data": {
        "name": self.config.dataset,
        "title": dataset.name,
        "source": dataset.source,
        "image_size": self.config.image_size,
        "train": len(self.sources.split.train),
        "adv_train": len(self.rows_of["adv_train"]),
        "adv_test": len(self.rows_of["adv_test"]),
        "dropped_misclassified": self.dropped,
        "groups": None if groups is None else len(np.unique(groups)),
        "class_names": list(dataset.class_names),
      },
      "classifier": {
        "name": self.config.model_path or self.config.model,
        **self.classifier,
      },
      "warnings": self.warnings,
    }
