"""What every experiment is told: the common flags, checked, and their defaults."""

from __future__ import annotations

import dataclasses

from hfc_tf.attacks.budget import schedule
from hfc_tf.attacks.registry import AIMS as AIMS
from hfc_tf.attacks.registry import ATTACKS
from hfc_tf.data import DATASETS, VOLUMES
from hfc_tf.detectors import DETECTORS
from hfc_tf.errors import InputError
from hfc_tf.models import MODELS
from hfc_tf.study import values

_MOST_STEPS = 40  # of the rule below when neither steps nor step size is given

# auto: none or raw255, as the first layers of the model tell; torch, tf, caffe: preprocess_input of
# Keras in that mode.
PREPROCESSING = ("auto", "none", "raw255", "torch", "tf", "caffe")


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
  preprocessing: str = "auto"  # of PREPROCESSING
  precision: str = "float32"  # of attacks; bfloat16 is faster, and judged in float32
  weights: str | None = None  # random initialisation
  epochs: int | None = None  # 12 on phantoms, else 6
  learning_rate: float | None = None  # 3e-4 for vgg16 and vgg19, else 1e-3
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
