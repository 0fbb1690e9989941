"""What every experiment is told: the common flags, their checks and their defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from hfc_tf.attacks import AIMS as AIMS
from hfc_tf.attacks import OPTIONS as ATTACKS
from hfc_tf.attacks.budget import schedule
from hfc_tf.data import DATASETS, volumetric
from hfc_tf.data.dataset import GRIDS, levels
from hfc_tf.detectors import OPTIONS as DETECTORS
from hfc_tf.errors import InputError
from hfc_tf.models import MODELS
from hfc_tf.study import grid, values
from hfc_tf.variants import base, plain

_MOST_STEPS = 40  # of the rule below when neither steps nor step size is given
# auto: none or raw255, as the first layers of the model tell; torch, tf, caffe: preprocess_input of
# Keras in that mode.
PREPROCESSING = ("auto", "none", "raw255", "torch", "tf", "caffe")
_SEED = (0, values.MOST_SEED)


def _flag(
  default: Any, text: str, check: Callable[..., None] | None = None, *limits: Any, flag: str = ""
) -> Any:
  """A field and its flag; `check` of `values` takes the flag, its value and the limits."""
  metadata = {"help": text, "flag": flag, "check": check, "limits": limits}
  return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Config:
  """One study. Each field is a flag too; None takes the default that its help names.

  Sizes of steps and budgets are in 1/256; see `hfc_tf.attacks.schedule`.
  """

  setting: str = _flag(
    "default",
    "papers: what is not given is as in the papers (256 px or your model's side, eps 1, step 0.02 "
    "and 2 eps / step steps, weight 1, all of AdvTrain, ResNet-50 and VGG-16; see --weights).",
    values.among, ("default", "papers"),
  )  # fmt: skip
  dataset: str = _flag(
    "chest", f"{', '.join(DATASETS)}; folder has one per class; medmnist/NAME and tfds/NAME "
    "through these libraries.", values.among, DATASETS,
  )
  data_dir: str | None = _flag(None, "Folder or npz file; none: built-in phantom.", values.readable)
  split: str | None = _flag(
    None, "Manifest (json) of Train and Test to obey; none: drawn by the seed.", values.file
  )
  image_size: int = _flag(64, "Side in pixels; of --model_path its own.", values.whole, 8, 4096)
  depth: int | None = _flag(
    None, "Slices of volumes; none: the median, of npz files their own.", values.whole, 1, 4096
  )
  window: tuple[str, ...] | None = _flag(
    None, "LEVEL,WIDTH of CT volumes; none: 40,400 for DICOM.", values.window
  )
  stored_bits: int | None = _flag(
    None, "Bits of the image in 16-bit files; none: by their values.", values.whole, 8, 16
  )
  exclude: tuple[str, ...] | None = _flag(None, "Patterns of files left out, e.g. *_old.png.")
  labels: str | None = _flag(None, "A csv of images and labels, e.g. HAM10000's.", values.file)
  groups: str | None = _flag(None, "Patients: a csv of file and patient, or an expression.")
  subsets: str | None = _flag(
    None, "Of train/ and test/ above the classes: split, or pool.", values.among, ("split", "pool")
  )
  num_images: int | None = _flag(None, "Use only so many images, by class.", values.whole)
  model: str | None = _flag(
    None, f"{', '.join(MODELS)}; trained here. None: small_resnet on phantoms, else resnet50, of "
    "volumes resnet18_3d.", values.among, MODELS,
  )  # fmt: skip
  model_path: str | None = _flag(None, "A Keras model of yours (.keras, .h5).", values.file)
  classes: tuple[str, ...] | None = _flag(
    None, "Classes in the order of your model's outputs: names, or a txt or json file of them; "
    "none: as the data have them.", values.several,
  )  # fmt: skip
  preprocessing: str = _flag(
    "auto",
    "What your model wants of images: auto, 0 to 255 where its first layers say so, else 0 to 1; "
    "none, 0 to 1; raw255, 0 to 255; torch, tf or caffe (Keras's preprocess_input).", values.among,
    PREPROCESSING,
  )  # fmt: skip
  precision: str = _flag(
    "float32", "Of attacks: float32, or bfloat16 (experimental: about twice as fast on CPUs that "
    "have it; judged in float32).", values.among, ("float32", "bfloat16"),
  )  # fmt: skip
  weights: str | None = _flag(
    None, "Start of training: a weights file or imagenet, or for each architecture its own: "
    "vgg16=FILE,resnet50=FILE; none: random.", values.starts, MODELS,
  )  # fmt: skip
  epochs: int | None = _flag(None, "Of training; none: 6.", values.whole)
  crop: tuple[str, ...] | None = _flag(
    None, "Train on random crops of [D,]H,W, in TMI V-A 30,128,128; none: not.", values.crop
  )
  learning_rate: float | None = _flag(
    None, "Of all trainings; none: 1e-4 for VGG, 5e-5 from --weights, else 1e-3.", values.real
  )
  model_seed: int | None = _flag(None, "Of training; none: --seed.", values.whole, *_SEED)
  attacks: tuple[str, ...] = _flag(
    ("bim",),
    f"{', '.join(ATTACKS)}; with options: bim,mim(decay=0.5),cw(kappa=0). cw without kappa takes "
    "the mean gap of Train's logits.", values.variants, ATTACKS, flag="attack",
  )  # fmt: skip
  hfc: bool = _flag(False, "Attack with the HFC term as well.")
  hfc_weights: tuple[str, ...] = _flag(
    ("1", "balanced"),
    "Weights of the HFC term: numbers (1 is the papers'); balanced, each image sets its own in an "
    "attack on the image as a file; auto, the largest that works.", values.weights,
    flag="hfc_weight",
  )  # fmt: skip
  hfc_squeezing: bool = _flag(False, "Squeezed copies reach the target too (balanced HFC).")
  aim: str = _flag(
    "mode",
    "Of the HFC term: mode (the papers'), or typical: features as far from it as clean ones are.",
    values.among, AIMS,
  )  # fmt: skip
  eps_256: float | None = _flag(
    None, "Budget in 1/256; none: 1 from 128 px on, else 4.", values.budget, flag="eps"
  )
  grid: str = _flag(
    "auto",
    "Of images and attacks: auto, the bits of the files; 8, 12 or 16 bits; float, no files. On a "
    "grid 1/256 is 2^bits / 256 grey levels, in 8 bits one.", values.among, GRIDS,
  )  # fmt: skip
  free_channels: bool = _flag(False, "Let attacks colour grey images; not in the threat model.")
  step_size_256: float | None = _flag(
    None, "Step in 1/256; the papers': 0.02.", values.budget, flag="step_size"
  )
  steps: int | None = _flag(
    None,
    "Alone, it sets the step to 2 eps / steps; none: the papers' 2 eps / 0.02, 40 at the most.",
    values.whole,
  )
  fixed: str = _flag(
    "steps",
    "Where budgets vary: steps, their number (the step grows with eps), or step, its size (the "
    "number of steps grows, as in the papers).", values.among, ("steps", "step"),
  )  # fmt: skip
  components: int | None = _flag(None, "M; none: 64 on fundus, else 16.", values.whole, 1, 65536)
  covariance: str = _flag(
    "low_rank", "Of the mixtures: low_rank, or full on taps of at most 128 channels (TMI Eq. 14).",
    values.among, ("low_rank", "full"),
  )  # fmt: skip
  detectors: tuple[str, ...] = _flag(
    ("kd", "maha", "lid", "svm", "dnn", "bu", "knn", "squeezing"),
    f"{', '.join(DETECTORS)}; with options: kd,kd(form=eq20),maha(mean=single). kd(form=eq20) and "
    "maha(mean=single) are TMI Eq. 20 and 23 as printed.", values.variants, DETECTORS,
  )  # fmt: skip
  retrain: str = _flag(
    "none",
    "What detectors learn from: none (the attack without HFC), hfc (with it), mixture (both).",
    values.among, ("none", "hfc", "mixture"),
  )  # fmt: skip
  target: str = _flag("random", "random, next, least_likely, a class.")
  max_adv_train: int | None = _flag(400, "Images in AdvTrain at the most; 0: all.", values.whole, 0)
  max_adv_test: int | None = _flag(None, "Images in AdvTest; none: all.", values.whole)
  tuning_images: int | None = _flag(
    None,
    "AdvTrain images that --hfc_weight=auto tries weights on; none: 256 on phantoms, else 96.",
    values.whole,
  )
  min_accuracy: float = _flag(0.6, "Refuse classifiers below it.", values.real, 0, 1, True)
  seed: int = _flag(0, "Of every random draw.", values.whole, *_SEED)
  batch_size: int = _flag(
    32, "Images a step; 0: as many as memory holds, found once and kept.", values.whole, 0, 65536
  )
  distribute: str | None = _flag(
    None, "Where attacked images are made: none, this process; mirrored, all devices of this "
    "host; ray, workers.", values.among, ("mirrored", "ray"),
  )  # fmt: skip
  ray_address: str | None = _flag(None, "Of a running cluster; none: one is started here.")
  workers: int | None = _flag(None, "Of a cluster started here; none: all it holds.", values.whole)
  threads: int = _flag(1, "Of each worker.", values.whole)
  out: str = _flag("out", "Folder for report, results and artefacts.", values.writable)
  artefacts: str | None = _flag(
    None,
    "Folder of artefacts to share; none: OUT/artefacts, without --out out/artefacts for all.",
    values.writable,
  )

  @property
  def synthetic(self) -> bool:
    """Whether the images are drawn."""
    return self.data_dir is None

  @property
  def volumetric(self) -> bool:
    """Whether the images are volumes."""
    return volumetric(self.dataset, self.data_dir)

  def check_budgets(self, flag: str, budgets_256: Sequence[float]) -> None:
    """Refuses budgets that images have none of, as far as flags tell what their files hold."""
    if self.grid != "auto" or self.synthetic:
      for budget in budgets_256:
        grid.check(flag, budget, levels(self.grid, 8))

  @property
  def rate(self) -> float:
    """The learning rate of the model: the one that was given, else its own."""
    usual = 1e-3
    if str(self.model).startswith("vgg"):  # without normalisation larger ones end at one class
      usual = 5e-5 if self.start else 1e-4
    return usual if self.learning_rate is None else self.learning_rate

  @property
  def start(self) -> str | None:
    """Where the model's training starts: a weights file or "imagenet"; None: random weights."""
    files = values.start_files("--weights", self.weights)
    return files.get(str(self.model), files.get(""))

  def resolved(self) -> Config:
    """The same study with every default filled in and every value checked."""
    for field in dataclasses.fields(self):
      if check := field.metadata["check"]:
        flag = f"--{field.metadata['flag'] or field.name}"
        check(flag, getattr(self, field.name), *field.metadata["limits"])
    if self.retrain != "none" and not self.hfc:
      raise InputError(f"--hfc with --retrain={self.retrain}", "--nohfc", "add --hfc")
    if self.hfc and "deepfool" in map(base, self.attacks):
      remedy = "hide another attack, e.g. cw_l2"
      raise InputError("an attack that takes the HFC term", "deepfool with HFC", remedy)
    real = "resnet18_3d" if self.volumetric else "resnet50"
    small = self.synthetic and self.setting == "default"
    model = self.model or ("small_resnet" if small else real)
    eps = (1.0 if self.image_size >= 128 else 4.0) if self.eps_256 is None else self.eps_256
    self.check_budgets("--eps", [eps])
    steps, step = self.steps, self.step_size_256
    if steps is None and step is None:
      steps = min(schedule(eps / 256)[1], _MOST_STEPS)
    alpha, steps = schedule(eps / 256, None if step is None else step / 256, steps)
    values.whole("--steps", steps)
    return dataclasses.replace(
      self,
      attacks=tuple(map(plain, self.attacks)),
      detectors=tuple(map(plain, self.detectors)),
      model=model,
      tuning_images=self.tuning_images or (256 if self.synthetic else 96),
      epochs=self.epochs or 6,
      eps_256=eps,
      step_size_256=alpha * 256,
      steps=steps,
      max_adv_train=self.max_adv_train or 0,
      components=self.components or (64 if self.dataset.startswith("fundus") else 16),
    )
