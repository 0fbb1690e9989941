"""What every experiment is told: the common flags, checked, and their defaults."""

from __future__ import annotations

import dataclasses
from typing import Any

from hfc_tf.attacks import AIMS as AIMS
from hfc_tf.attacks import ATTACKS
from hfc_tf.attacks.budget import schedule
from hfc_tf.data import DATASETS, VOLUMES
from hfc_tf.detectors import DETECTORS
from hfc_tf.errors import InputError
from hfc_tf.models import MODELS
from hfc_tf.study import values

_MOST_STEPS = 40  # of the rule below when neither steps nor step size is given

# auto: none or raw255, as the first layers of the model tell; torch, tf, caffe: preprocess_input of
# Keras in that mode.
PREPROCESSING = ("auto", "none", "raw255", "torch", "tf", "caffe")


def _flag(default: Any, text: str, *, flag: str | None = None) -> Any:
  """A field with the help of its flag, which has the field's name unless `flag` gives another."""
  return dataclasses.field(default=default, metadata={"help": text, "flag": flag})


@dataclasses.dataclass(frozen=True)
class Config:
  """One study. Each field is a flag too; None takes the default that its help names.

  Sizes of steps and budgets are in 1/256; see `hfc_tf.attacks.schedule`.
  """

  dataset: str = _flag("chest", f"{', '.join(DATASETS)}; folder has one per class.")
  data_dir: str | None = _flag(None, "Folder or npz file; none: built-in phantom.")
  split: str | None = _flag(
    None, "Manifest (json) of Train and Test to obey; none: drawn by the seed."
  )
  image_size: int = _flag(64, "Side in pixels.")
  depth: int | None = _flag(None, "Slices of NIfTI and DICOM volumes; none: the median.")
  window: tuple[str, ...] | None = _flag(None, "LEVEL,WIDTH of CT volumes; none: 40,400 for DICOM.")
  num_images: int | None = _flag(None, "Use only so many images, by class.")
  model: str | None = _flag(
    None,
    f"{', '.join(MODELS)}; trained here. None: small_resnet on phantoms, else resnet50, of "
    "volumes resnet18_3d.",
  )
  model_path: str | None = _flag(None, "A Keras model of yours (.keras, .h5).")
  preprocessing: str = _flag(
    "auto",
    "What your model wants of images: auto, 0 to 255 where its first layers say so, else 0 to 1; "
    "none, 0 to 1; raw255, 0 to 255; torch, tf or caffe (Keras's preprocess_input).",
  )
  precision: str = _flag(
    "float32",
    "Of attacks: float32, or bfloat16 (experimental: about three times faster on CPUs that have "
    "it; judged in float32).",
  )
  weights: str | None = _flag(None, "Start of training: a weights file, imagenet; none: random.")
  epochs: int | None = _flag(None, "Of training; none: 12 on phantoms, else 6.")
  learning_rate: float | None = _flag(None, "Of training; none: 3e-4 for VGG, else 1e-3.")
  model_seed: int | None = _flag(None, "Of training; none: --seed.")
  attacks: tuple[str, ...] = _flag(("bim",), f"{', '.join(ATTACKS)}.", flag="attack")
  hfc: bool = _flag(False, "Attack with the HFC term as well.")
  hfc_weights: tuple[str, ...] = _flag(
    ("1", "auto"), "Weights of the HFC term: numbers (1 is the papers'), auto.", flag="hfc_weight"
  )
  aim: str = _flag(
    "mode",
    "Of the HFC term: mode (the papers'), or typical: features as far from it as clean ones are.",
  )
  eps_256: float | None = _flag(
    None, "Budget in 1/256; none: 1 from 128 px on, else 4.", flag="eps"
  )
  step_size_256: float | None = _flag(None, "Step in 1/256; the papers': 0.02.", flag="step_size")
  steps: int | None = _flag(
    None,
    "Alone, it sets the step to 2 eps / steps; none: the papers' 2 eps / 0.02, 40 at the most.",
  )
  components: int | None = _flag(None, "M; none: 64 on fundus, else 16.")
  detectors: tuple[str, ...] = _flag(
    ("kd", "maha", "lid", "svm", "dnn", "bu"), f"{', '.join(DETECTORS)}."
  )
  retrain: str = _flag(
    "none",
    "What detectors learn from: none (the attack without HFC), hfc (with it), mixture (both).",
  )
  target: str = _flag("random", "random, next, least_likely, a class.")
  max_adv_train: int | None = _flag(400, "Images in AdvTrain at the most.")  # None: all
  max_adv_test: int | None = _flag(None, "Images in AdvTest; none: all.")
  tuning_images: int | None = _flag(
    None, "AdvTrain images that --hfc_weight=auto tries weights on; none: 256 on phantoms, else 96."
  )
  min_accuracy: float = _flag(0.6, "Refuse classifiers below it.")
  seed: int = _flag(0, "Of every random draw.")
  batch_size: int = _flag(32, "Images a step; 0: as many as memory holds, found once and kept.")
  distribute: str | None = _flag(
    None,
    "Where attacked images are made: none, this process; mirrored, all devices of this host; ray, "
    "workers.",
  )
  ray_address: str | None = _flag(None, "Of a running cluster; none: one is started here.")
  workers: int | None = _flag(None, "Of a cluster started here; none: all it holds.")
  threads: int = _flag(1, "Of each worker.")
  out: str = _flag("out", "Folder for report, results and artefacts.")
  artefacts: str | None = _flag(
    None, "Folder of artefacts to share; none: OUT/artefacts, without --out out/artefacts for all."
  )

  @property
  def synthetic(self) -> bool:
    """Whether the images are drawn."""
    return self.data_dir is None

  def resolved(self) -> Config:
    """The same study with every default filled in and every value checked.

    Raises:
      InputError: for the first value that cannot be used.
    """
    self._check()
    real = "resnet18_3d" if self.dataset in VOLUMES else "resnet50"
    model = self.model or ("small_resnet" if self.synthetic else real)
    eps = (1.0 if self.image_size >= 128 else 4.0) if self.eps_256 is None else self.eps_256
    steps, step = self.steps, self.step_size_256
    if steps is None and step is None:
      steps = min(schedule(eps / 256)[1], _MOST_STEPS)
    alpha, steps = schedule(eps / 256, None if step is None else step / 256, steps)
    values.whole("--steps", steps)
    return dataclasses.replace(
      self,
      model=model,
      tuning_images=self.tuning_images or (256 if self.synthetic else 96),
      learning_rate=self.learning_rate or (3e-4 if model.startswith("vgg") else 1e-3),
      epochs=self.epochs or (12 if self.synthetic else 6),
      eps_256=eps,
      step_size_256=alpha * 256,
      steps=steps,
      components=self.components or (64 if self.dataset.startswith("fundus") else 16),
    )

  def _check(self) -> None:
    values.among("--dataset", self.dataset, DATASETS)
    values.several("--attack", self.attacks, ATTACKS)
    values.several("--detectors", self.detectors, DETECTORS)
    if self.model is not None:
      values.among("--model", self.model, MODELS)
    values.among("--preprocessing", self.preprocessing, PREPROCESSING)
    values.among("--precision", self.precision, ("float32", "bfloat16"))
    values.among("--aim", self.aim, AIMS)
    if self.distribute is not None:
      values.among("--distribute", self.distribute, ("mirrored", "ray"))
    values.among("--retrain", self.retrain, ("none", "hfc", "mixture"))
    if self.retrain != "none" and not self.hfc:
      raise InputError(f"--hfc with --retrain={self.retrain}", "--nohfc", "add --hfc")
    values.weights("--hfc_weight", self.hfc_weights)
    values.real("--eps, in 1/256,", self.eps_256, 0, 256)
    values.real("--step_size, in 1/256,", self.step_size_256, 0, 256)
    values.real("--learning_rate", self.learning_rate, 0)
    values.real("--min_accuracy", self.min_accuracy, 0, 1, low_fits=True)
    values.whole("--image_size", self.image_size, 8, 4096)
    values.whole("--depth", self.depth, 1, 4096)
    values.window("--window", self.window)
    values.whole("--batch_size", self.batch_size, 0, 65536)
    values.whole("--seed", self.seed, 0, values.MOST_SEED)
    values.whole("--model_seed", self.model_seed, 0, values.MOST_SEED)
    values.whole("--components", self.components, 1, 65536)
    counts = ("num_images", "epochs", "steps", "max_adv_train", "max_adv_test", "tuning_images",
              "workers", "threads")  # fmt: skip
    for name in counts:
      values.whole(f"--{name}", getattr(self, name))
    values.readable("--data_dir", self.data_dir)
    values.file("--model_path", self.model_path)
    values.file("--split", self.split)
    if self.weights != "imagenet":
      values.file("--weights", self.weights)
    values.writable("--out", self.out)
    values.writable("--artefacts", self.artefacts)
