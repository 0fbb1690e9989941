"""What every experiment is told: the common flags, checked, and their defaults."""

from __future__ import annotations

import dataclasses
import os

from hfc_tf.attacks import ATTACKS, schedule
from hfc_tf.attacks.hfc import AIMS as AIMS
from hfc_tf.data import DATASETS, VOLUMES
from hfc_tf.detectors import DETECTORS
from hfc_tf.errors import InputError
from hfc_tf.models import MODELS

_MOST_STEPS = 40  # of the rule below when neither steps nor step size is given


@dataclasses.dataclass(frozen=True)
class Config:
  """One study. None takes the default that the comment names.

  Sizes of steps and budgets are in 1/256; see `hfc_tf.attacks.schedule`.
  """

  dataset: str = "chest"
  data_dir: str | None = None  # the built-in phantom
  split: str | None = None  # drawn by the seed
  image_size: int = 64
  depth: int | None = None  # of volumes: the median of what is there
  window: tuple[str, ...] | None = None  # level and width of CT in --dataset=volumes
  num_images: int | None = None  # all
  model: str | None = None  # small_resnet on phantoms, else resnet50, of volumes resnet18_3d
  model_path: str | None = None  # train one
  preprocessing: str = "none"  # or torch, tf, caffe: Keras's preprocess_input of that mode
  precision: str = "float32"  # of attacks; bfloat16 is faster, and judged in float32
  weights: str | None = None  # random initialisation
  epochs: int | None = None  # 12 on phantoms, else 6
  learning_rate: float | None = None  # 3e-4 for vgg16, else 1e-3
  model_seed: int | None = None  # of training; as seed
  attacks: tuple[str, ...] = ("bim",)
  hfc: bool = False
  hfc_weights: tuple[str, ...] = ("1", "auto")
  aim: str = "mode"  # of HFC
  eps_256: float | None = None  # 1 from 128 px on, else 4
  step_size_256: float | None = None
  steps: int | None = None
  components: int | None = None  # 16 on chest, 64 on fundus, else 16
  detectors: tuple[str, ...] = ("kd", "maha", "lid", "svm", "dnn", "bu")
  retrain: str = "none"  # what else detectors learn from: hfc (instead), mixture (beside)
  target: str = "random"
  max_adv_train: int | None = 400  # None: all
  max_adv_test: int | None = None  # all
  tuning_images: int | None = None  # 256 on phantoms, else 96
  min_accuracy: float = 0.6
  seed: int = 0
  batch_size: int = 32  # 0: what memory holds
  distribute: str | None = None  # this process; mirrored: devices of this host; ray: a cluster
  ray_address: str | None = None  # a cluster that is started on this machine
  workers: int | None = None  # of that cluster; as many as the processors hold
  threads: int = 1  # of each worker
  out: str = "out"
  artefacts: str | None = None  # OUT/artefacts

  @property
  def synthetic(self) -> bool:
    """Whether the images are drawn."""
    return self.data_dir is None

  def resolved(self) -> Config:
    """The same study with every default filled in and every value checked.

    Raises:
      InputError: for the first value that cannot be used.
    """
    _one_of("--dataset", self.dataset, DATASETS)
    for attack in self.attacks:
      _one_of("--attack", attack, ATTACKS)
    for detector in self.detectors:
      _one_of("--detectors", detector, DETECTORS)
    real = "resnet18_3d" if self.dataset in VOLUMES else "resnet50"
    model = self.model or ("small_resnet" if self.synthetic else real)
    _one_of("--model", model, MODELS)
    _one_of("--preprocessing", self.preprocessing, ("none", "torch", "tf", "caffe"))
    _one_of("--precision", self.precision, ("float32", "bfloat16"))
    _one_of("--aim", self.aim, AIMS)
    if self.distribute is not None:
      _one_of("--distribute", self.distribute, ("mirrored", "ray"))
    _one_of("--retrain", self.retrain, ("none", "hfc", "mixture"))
    if self.retrain != "none" and not self.hfc:
      raise InputError(f"--hfc with --retrain={self.retrain}", "--nohfc", "add --hfc")
    for weight in self.hfc_weights:
      _check_weight(weight)
    eps = (1.0 if self.image_size >= 128 else 4.0) if self.eps_256 is None else self.eps_256
    if not eps > 0:
      raise InputError("--eps above 0", f"{eps:g}", "give the budget in 1/256, e.g. --eps=1")
    positive = {
      "--image_size": self.image_size,
      "--batch_size": self.batch_size or 1,
      "--tuning_images": self.tuning_images,
      "--epochs": self.epochs,
      "--components": self.components,
      "--steps": self.steps,
      "--max_adv_train": self.max_adv_train,
      "--max_adv_test": self.max_adv_test,
      "--workers": self.workers,
      "--threads": self.threads,
    }
    for flag, value in positive.items():
      if value is not None and value < 1:
        raise InputError(f"{flag} of 1 or more", str(value), "leave it out for the default")
    for flag, path in (("--model_path", self.model_path), ("--split", self.split)):
      if path is not None and not os.path.isfile(path):
        raise InputError(f"a file at {flag}", f"none at {path}", "correct the path")
    steps, step = self.steps, self.step_size_256
    if steps is None and step is None:
      steps = min(schedule(eps / 256)[1], _MOST_STEPS)
    alpha, steps = schedule(eps / 256, None if step is None else step / 256, steps)
    return dataclasses.replace(
      self,
      model=model,
      tuning_images=self.tuning_images or (256 if self.synthetic else 96),
      learning_rate=self.learning_rate or (3e-4 if model == "vgg16" else 1e-3),
      epochs=self.epochs or (12 if self.synthetic else 6),
      eps_256=eps,
      step_size_256=alpha * 256,
      steps=steps,
      components=self.components or (64 if self.dataset.startswith("fundus") else 16),
    )


def _one_of(flag: str, value: str, names: object) -> None:
  known = list(names)  # type: ignore[call-overload]
  if value not in known:
    raise InputError(f"{flag} among {', '.join(known)}", repr(value), "name one of them")


def _check_weight(weight: str) -> None:
  try:
    fits = weight == "auto" or float(weight) > 0
  except ValueError:
    fits = False
  if not fits:
    raise InputError("--hfc_weight: 'auto' or a number above 0", repr(weight), "e.g. 1,auto")
