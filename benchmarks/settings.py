"""What is measured, how often, and on what."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from benchmarks.figures import FIGURES
from benchmarks.peers import PACKAGES
from hfc_tf.errors import InputError
from hfc_tf.models import MODELS


@dataclasses.dataclass(frozen=True)
class Settings:
  """A run of the benchmark.

  Args:
    only: figures to measure; empty: all.
    repeats: rounds, of which medians and quartiles are taken.
    steps: attack steps between the two calls whose difference is timed.
    model: a name in `hfc_tf.models.MODELS`; the PyTorch peers know resnet50.
    image_size: side in pixels. batch_size: images. components: M of HFC and EM.
    threads: of every contender; None: as many as there are cores for this process.
    peer_python: package -> the interpreter of the environment that holds it.
    features: a taps.npz file of the study for EM; None: drawn from a seed.
    em_images: how many images EM sees at the most.
    eps, step_size: of every loop, in image units.
    out: the output folder.
  """

  only: tuple[str, ...] = ()
  repeats: int = 5
  steps: int = 2
  model: str = "resnet50"
  image_size: int = 224
  batch_size: int = 16
  components: int = 64
  threads: int | None = None
  peer_python: Mapping[str, str] = dataclasses.field(default_factory=dict)
  features: str | None = None
  em_images: int = 2000
  eps: float = 4 / 256
  step_size: float = 1 / 256
  out: str = "benchmark"

  def resolved(self) -> Settings:
    """The same with every default in its place.

    Raises:
      InputError: for an unknown figure, package or model, or a count below 1.
    """
    for name in self.only:
      if name not in FIGURES:
        raise InputError(f"figures among {', '.join(FIGURES)}", repr(name), "correct --only")
    for name in self.peer_python:
      if name not in PACKAGES:
        raise InputError(
          f"--peer_python=PACKAGE=INTERPRETER, packages {', '.join(PACKAGES)}",
          repr(name),
          "name one of them",
        )
    if self.model not in MODELS:
      raise InputError(f"a model among {', '.join(MODELS)}", repr(self.model), "correct --model")
    threads = len(os.sched_getaffinity(0)) if self.threads is None else self.threads
    counts = {
      "repeats": self.repeats,
      "steps": self.steps,
      "batch_size": self.batch_size,
      "components": self.components,
      "threads": threads,
    }
    for name, count in counts.items():
      if count < 1:
        raise InputError(f"--{name} of at least 1", str(count), f"raise --{name}")
    if self.em_images < 2 * self.components:
      raise InputError(
        f"--em_images of at least {2 * self.components}, two a component",
        str(self.em_images),
        "raise it, or lower --components",
      )
    return dataclasses.replace(self, only=self.only or tuple(FIGURES), threads=threads)


def parse_peer_python(assignments: list[str]) -> dict[str, str]:
  """PACKAGE=INTERPRETER, ... as a dictionary.

  Raises:
    InputError: for a word without "=".
  """
  pairs = [word.partition("=") for word in assignments]
  for package, sign, python in pairs:
    if not (package and sign and python):
      raise InputError("--peer_python=PACKAGE=INTERPRETER", repr(package + sign), "write both")
  return {package: python for package, _, python in pairs}
