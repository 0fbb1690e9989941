"""Are volumes easier to attack than slices?

TMI Table I, columns "Brain": detection without and with HFC on 3-D images of several classes. TMI
Fig. 9: success of BIM over eps on volumes, on two-dimensional images and on volumes of half the
side, to test that sheer dimensionality makes vulnerable.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import wilson
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import hiding_study, labelled_rows
from hfc_tf.report import volumes as page
from hfc_tf.report.experiment import write_study
from hfc_tf.study import cases
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

FRACTIONS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of --eps, where no budgets are given


@dataclasses.dataclass(frozen=True)
class Success:
  """How often an attack without HFC reaches its target on one form of the images."""

  form: str
  voxels: int
  eps_256: float
  adv_acc: float
  adv_acc_low: float
  adv_acc_high: float
  n: int
  accuracy: float


def run(config: Config, budgets_256: Sequence[float] = ()) -> dict[str, Any]:
  """Attacks volumes, slices and halved volumes and writes the report into config.out.

  Args:
    config: of the volumes; its attacks are made without and with HFC on them, the first one of
      them at every budget on all forms. Slices and halved volumes have classifiers of their own,
      small ResNets where that of the volumes does not fit them.
    budgets_256: values of eps in 1/256; none: config's and fractions of it down to 1/32.

  Returns:
    What results.json holds; "success" has the curve's points.

  Raises:
    InputError: for images that are no volumes.
  """
  begun = time.monotonic()
  study, first = hiding_study(config)
  volumes = study.sources.dataset
  if volumes.pixels.ndim != 5:
    raise InputError(
      "volumes [N, D, H, W, C]", f"images of shape {volumes.pixels.shape[1:]}",
      "take --dataset=brain or give volumes in --data_dir",
    )  # fmt: skip
  rows: list[DetectionRow] = []
  start = 1.0
  for name in study.config.attacks:
    case = cases.plain_and_hidden(study, name, start=start)
    start = case.auto or start
    rows += [DetectionRow(**row) for _, row in labelled_rows(case)]
  # What was brought along fits volumes of one size only, and 3-D kernels fit no slices.
  model = "small_resnet" if study.config.model_path else study.config.model
  flat = "small_resnet" if model == "resnet18_3d" else model
  own: dict[str, Any] = {"model_path": None, "split": None}
  forms = {
    "volumes": study,
    "slices": study.beside("slices", slices(volumes), model=flat, **own),
    "halved": study.beside("halved", halved(volumes), model=model, **own),
  }
  eps = float(study.config.eps_256 or 0)
  budgets = sorted(budgets_256) or [fraction * eps for fraction in FRACTIONS]
  points = [point for form, own in forms.items() for point in _success(form, own, budgets)]
  study.warn(*(f"{form}: {w}" for form, own in forms.items() if own is not study
               for w in own.warnings))  # fmt: skip
  section = page.section(points, rows, study.config.dataset, first)
  return write_study("volumes", study, begun, rows, section, success=points)


def slices(volumes: Dataset) -> Dataset:
  """The middle slice of every volume, [N, H, W, C]."""
  middle = volumes.pixels.shape[1] // 2
  name = f"{volumes.name}, middle slices"
  return dataclasses.replace(volumes, name=name, pixels=volumes.pixels[:, middle])


def halved(volumes: Dataset) -> Dataset:
  """Volumes of half the side: means over 2 x 2 x 2 voxels; an odd last plane is dropped."""
  count, *sides, channels = volumes.pixels.shape
  half = [side // 2 for side in sides]
  even = volumes.pixels[:, : 2 * half[0], : 2 * half[1], : 2 * half[2]]
  cut = [size for side in half for size in (side, 2)]
  blocks = even.reshape(count, *cut, channels)  # [N, D/2, 2, H/2, 2, W/2, 2, C]
  pixels = np.rint(blocks.mean(axis=(2, 4, 6))).astype(np.uint16)
  return dataclasses.replace(volumes, name=f"{volumes.name}, halved", pixels=pixels)


def _success(form: str, study: Study, budgets: Sequence[float]) -> Iterator[Success]:
  name, aimed = study.config.attacks[0], study.aimed("adv_test")
  targets = study.targets["adv_test"][aimed]
  for budget in budgets:
    images = study.attacked(name, study.attack(name, eps=budget / 256), "adv_test")
    hits = int((study.subject.model.taps(images).predictions[aimed] == targets).sum())
    low, high = wilson(hits, len(targets)) or (0.0, 1.0)
    voxels = int(np.prod(images.shape[1:]))
    share, accuracy = hits / len(targets), float(study.classifier["accuracy"] or 0)
    yield Success(form, voxels, budget, share, low, high, len(targets), accuracy)
