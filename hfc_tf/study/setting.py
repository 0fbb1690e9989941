"""The papers' setting: what --setting=papers fills in, and which of it holds in a run."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import zipfile
from collections.abc import Collection
from typing import Any

from hfc_tf.attacks.budget import schedule
from hfc_tf.data import VOLUMES
from hfc_tf.storage.hdf5 import hdf5_damage
from hfc_tf.study.config import Config

BACKBONES = ("resnet50", "vgg16")
_FIELDS: dict[str, Any] = {
  "image_size": 256, "eps_256": 1.0, "step_size_256": 0.02, "hfc_weights": ("1",),
  "max_adv_train": 0, "fixed": "step",
}  # fmt: skip
_SIDES_OF_VOLUMES = ("image_size", "depth", "crop")
_OF_VOLUMES: dict[str, Any] = {  # TMI V-A; in files there are none of Fig. 9's budgets
  "image_size": 270, "depth": 30, "crop": ("30", "128", "128"), "grid": "float",
}  # fmt: skip
_AS_PRINTED = {
  "kd": ("KD in coordinates chosen on AdvTrain", "kd(form=eq20)"),
  "maha": ("MAHA with a mean for each class", "maha(mean=single)"),
}
_MOST_BYTES = 2**26  # of a model's configuration
_SIDES = (
  "units", "filters", "kernel_size", "depth_multiplier", "input_dim", "output_dim", "num_heads",
  "key_dim", "value_dim", "batch_shape", "padding", "size", "height", "width",
)  # fmt: skip
# Where an experiment has its own, they are the papers' there; but the side of volumes from files.
_OWN = ("image_size", "eps_256")


def as_the_papers(config: Config, typed: Collection[str], defaults: Collection[str] = ()) -> Config:
  """The configuration of --setting=papers; any other comes back as it is.

  Args:
    typed: the fields that the user chose, which stay.
    defaults: the fields of which the experiment has defaults of its own.
  """
  if config.setting != "papers":
    return config
  from_files = config.dataset in VOLUMES and not config.synthetic
  chosen = {*typed, *(field for field in _OWN if field in defaults)}
  if from_files and "image_size" not in typed:
    chosen.discard("image_size")
  if "steps" in chosen:  # which alone sets the step
    chosen.add("step_size_256")
  fields = {field: value for field, value in _FIELDS.items() if field not in chosen}
  if config.volumetric:
    fields |= {field: value for field, value in _OF_VOLUMES.items() if field not in chosen}
    if not from_files:  # of their own sides, or drawn
      fields = {field: value for field, value in fields.items() if field not in _SIDES_OF_VOLUMES}
  if config.model_path:
    fields.pop("crop", None)
  if config.model_path and "image_size" in fields:
    fields["image_size"] = model_side(config.model_path) or fields["image_size"]
  made = dataclasses.replace(config, **fields)
  if "crop" in fields:
    sides = (made.depth or 0, made.image_size, made.image_size)
    if any(int(crop) > side for crop, side in zip(fields["crop"], sides, strict=True)):
      return dataclasses.replace(made, crop=config.crop)
  return made


def usual_side(config: Config) -> int:
  """The side of images for which none is given: that of the model's file, else the default."""
  return (config.model_path and model_side(config.model_path)) or config.image_size


def backbones(config: Config) -> tuple[str, ...]:
  """What an experiment on several backbones takes where none is named; none: that of `config`."""
  named = config.model or config.model_path or config.volumetric
  return () if config.setting != "papers" or named else BACKBONES


def deviations(config: Config) -> dict[str, list[str]]:
  """What of the papers' setting "holds" in a resolved configuration, and what "differs"."""
  eps, step = float(config.eps_256 or 0), float(config.step_size_256 or 0)
  steps = schedule(eps, step)[1]
  backbone = ("resnet18_3d",) if config.volumetric else BACKBONES
  weights, most = ", ".join(config.hfc_weights), config.max_adv_train
  made = f"2 eps / step = {config.steps}" if config.steps == steps else str(config.steps)
  side = 270 if config.volumetric else 256
  facts = [  # (whether it holds, what is so here, what the papers have)
    (config.image_size == side, f"image size {config.image_size} px", f"{side} px"),
    (abs(eps - 1) < 1e-9, f"eps {eps:g}/256", "1/256"),
    (abs(step - 0.02) < 1e-9, f"step {step:.3g}/256", "0.02/256"),
    (config.steps == steps, f"{made} steps", f"2 eps / step = {steps}"),
    (not most, f"at most {most} images in AdvTrain" if most else "AdvTrain whole", "whole"),
  ]
  if config.hfc:
    facts.append(("1" in config.hfc_weights, f"weight on HFC {weights}", "1"))
    facts.append((config.covariance == "full", f"covariances {config.covariance}", "full"))
  if config.model_path:
    name = pathlib.Path(config.model_path).name
    facts += [(False, f"backbone {name}", "ResNet-50 and VGG-16"),
              (False, f"start of {name}, which its file does not tell", "ImageNet")]  # fmt: skip
  else:
    start = f"start from {pathlib.Path(config.start or 'random weights').name}"
    facts.append((config.model in backbone, f"backbone {config.model}", " and ".join(backbone)))
    if not config.volumetric:  # of which no start is told
      facts.append((bool(config.start), start, "ImageNet"))
  if config.volumetric and not config.model_path:
    crop = ",".join(config.crop or ("none",))
    facts.append((config.crop == _OF_VOLUMES["crop"], f"crops {crop}", "30,128,128"))
  stored = "images as floats" if config.grid == "float" else "images as files"
  facts += [
    (config.grid == "float", stored, "images as floats"),
    *((False, here, f"as printed, {theirs}") for name, (here, theirs) in _AS_PRINTED.items()
      if name in config.detectors and theirs not in config.detectors),
  ]  # fmt: skip
  if not config.volumetric:
    grey = "grey images coloured" if config.free_channels else "grey images stay grey"
    facts.append((config.free_channels, grey, "coloured"))
  if config.synthetic:
    facts.append((False, "images drawn by a program", "real ones"))
  return {
    "holds": [here for holds, here, _ in facts if holds],
    "differs": [f"{here} (papers: {theirs})" for holds, here, theirs in facts if not holds],
  }


def model_side(path: str) -> int | None:
  """The side of the images that a saved Keras model takes; None where its file tells none."""
  return None if path.endswith(".h5") and hdf5_damage(path) else _side(configuration(path))


def configuration(path: str) -> Any:
  """What a whole file of a Keras model says of its layers; None where it cannot be read."""
  try:
    if path.endswith(".keras"):
      with zipfile.ZipFile(path) as archive:
        large = archive.getinfo("config.json").file_size > _MOST_BYTES
        return None if large else json.loads(archive.read("config.json"))
    import h5py  # type: ignore[import-untyped]  # which takes its time

    with h5py.File(path) as file:
      return json.loads(file.attrs["model_config"])
  except (OSError, KeyError, TypeError, ValueError, RecursionError, zipfile.BadZipFile):
    return None


def largest(value: Any, key: str = "") -> int:
  """The largest side of a kernel, padding or image in a configuration; 0 if there is none."""
  if isinstance(value, dict):
    return max((largest(item, key) for key, item in value.items()), default=0)
  if isinstance(value, list):
    return max((largest(item, key) for item in value), default=0)
  return value if key in _SIDES and isinstance(value, int) else 0


def _side(value: Any) -> int | None:
  """The last but one size of the first shape of a batch of images in a configuration."""
  if isinstance(value, dict):
    for key in ("batch_shape", "batch_input_shape"):
      shape = value.get(key)
      if isinstance(shape, list) and len(shape) > 3:
        return shape[-2] if isinstance(shape[-2], int) else None
    value = list(value.values())
  sides = map(_side, value if isinstance(value, list) else ())
  return next((side for side in sides if side is not None), None)
