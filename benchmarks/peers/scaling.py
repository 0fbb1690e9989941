"""This library's loop with HFC at several sizes of everything that its cost depends on."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from benchmarks.subject import draw_density
from benchmarks.timing import seconds_per_step
from hfc_tf.attacks import BIM, Attack, HFCAttack
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.models import MODELS
from hfc_tf.taps import TappedModel

_SMALLEST = 32  # pixels


class Scaling:
  """One attack a point; one quantity varies along each axis, the others stay at their base.

  Args:
    job: "model" and the base "batch_size", "components" and "image_size"; "eps", "step_size".
  """

  def __init__(self, job: dict[str, Any]) -> None:
    self._job = job
    batch, components = int(job["batch_size"]), int(job["components"])
    largest = int(job["image_size"])
    base = max(_SMALLEST, largest // 2)
    self._models: dict[int, TappedModel] = {}
    self._densities: dict[tuple[int, int], HierarchicalDensity] = {}
    taps = len(self._model(base).layers)
    self._points: dict[str, tuple[Attack, Any]] = {}
    for images in _quarters(2 * batch):
      self._add(f"images_{images}", images, taps, components, base)
    for some in [0, *_quarters(taps)]:
      self._add(f"taps_{some}", batch, some, components, base)
    for number in sorted({1, components // 4 or 1, components, 2 * components}):
      self._add(f"components_{number}", batch, taps, number, base)
    for size in sorted({max(_SMALLEST, largest * sevenths // 7) for sevenths in (2, 3, 5, 7)}):
      self._add(f"size_{size}", batch, taps, components, size)

  def check(self) -> dict[str, Any]:
    """Everything once, so that all is compiled."""
    for name in self._points:
      self._attack(name, 1)
    return {}

  def run(self, steps: int) -> dict[str, float]:
    """Seconds a step at every point."""
    return {
      name: seconds_per_step(functools.partial(self._attack, name), steps) for name in self._points
    }

  def _attack(self, name: str, steps: int) -> None:
    attack, images = self._points[name]
    attack.steps = steps
    attack(images, 1)

  def _model(self, size: int) -> TappedModel:
    if size not in self._models:
      self._models[size] = TappedModel(MODELS[self._job["model"]]((size, size, 3), 2, seed=0))
    return self._models[size]

  def _add(self, name: str, images: int, taps: int, components: int, size: int) -> None:
    model = self._model(size)
    settings: dict[str, Any] = {
      "eps": self._job["eps"],
      "step_size": self._job["step_size"],
      "batch_size": images,
    }
    attack: Attack = BIM(model, **settings)
    if taps:
      attack = HFCAttack(model, self._density(model, taps, components), "bim", **settings)
    drawn = np.random.default_rng(0).random((images, size, size, 3), np.float32)
    self._points[name] = attack, drawn

  def _density(self, model: TappedModel, taps: int, components: int) -> HierarchicalDensity:
    if (taps, components) not in self._densities:
      widths = {name: model.widths[name] for name in model.layers[:taps]}
      self._densities[taps, components] = draw_density(widths, components)
    return self._densities[taps, components]


def _quarters(most: int) -> list[int]:
  return sorted({max(1, most * quarters // 4) for quarters in (1, 2, 3, 4)})


def start(job: dict[str, Any]) -> Scaling:
  """The attacks of a job."""
  return Scaling(job)
