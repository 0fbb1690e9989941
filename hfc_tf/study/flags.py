"""The flags that every experiment shares; they make its `Config`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from absl import flags

from hfc_tf.attacks.registry import ATTACKS
from hfc_tf.data import DATASETS, VOLUMES
from hfc_tf.detectors import DETECTORS
from hfc_tf.errors import InputError
from hfc_tf.models import MODELS
from hfc_tf.study.config import Config

flags.disclaim_key_flags()  # so that --help of a binary shows them as its own

_COMMON: tuple[tuple[str, Callable[..., Any], str, str], ...] = (
  ("dataset", flags.DEFINE_string, "dataset", f"{', '.join(DATASETS)}; folder has one per "
    "class."),
  ("data_dir", flags.DEFINE_string, "data_dir", "Folder or npz file; none: built-in phantom."),
  ("split", flags.DEFINE_string, "split", "Manifest (json) of Train and Test to obey."),
  ("image_size", flags.DEFINE_integer, "image_size", "Side in pixels."),
  ("depth", flags.DEFINE_integer, "depth", "Slices of NIfTI and DICOM volumes; none: the median."),
  ("window", flags.DEFINE_list, "window", "LEVEL,WIDTH of CT volumes; none: 40,400 for DICOM."),
  ("num_images", flags.DEFINE_integer, "num_images", "Use only so many images, by class."),
  ("model", flags.DEFINE_string, "model", f"{', '.join(MODELS)}; trained here."),
  ("model_path", flags.DEFINE_string, "model_path", "A Keras model of yours (.keras, .h5)."),
  ("preprocessing", flags.DEFINE_string, "preprocessing", "What your model wants of images: "
    "auto, 0 to 255 where its first layers say so, else 0 to 1; none, 0 to 1; raw255, 0 to 255; "
    "torch, tf or caffe (Keras's preprocess_input)."),
  ("precision", flags.DEFINE_string, "precision", "Of attacks: float32, or bfloat16 "
    "(experimental: about three times faster on CPUs that have it; judged in float32)."),
  ("weights", flags.DEFINE_string, "weights", "Start of training: a weights file, imagenet."),
  ("epochs", flags.DEFINE_integer, "epochs", "Of training; none: 12 on phantoms, else 6."),
  ("learning_rate", flags.DEFINE_float, "learning_rate", "Of training; none: 3e-4 for "
    "vgg16 and vgg19, else 1e-3."),
  ("model_seed", flags.DEFINE_integer, "model_seed", "Of training; none: --seed."),
  ("attacks", flags.DEFINE_list, "attack", f"{', '.join(ATTACKS)}."),
  ("hfc", flags.DEFINE_boolean, "hfc", "Attack with the HFC term as well."),
  ("hfc_weights", flags.DEFINE_list, "hfc_weight", "Weights of the HFC term: numbers (1 is the "
    "papers'), auto."),
  ("aim", flags.DEFINE_string, "aim", "Of the HFC term: mode (the papers'), or typical: "
    "features as far from it as clean ones are."),
  ("eps_256", flags.DEFINE_float, "eps", "Budget in 1/256; none: 1 from 128 px on, else 4."),
  ("step_size_256", flags.DEFINE_float, "step_size", "Step in 1/256; the papers': 0.02."),
  ("steps", flags.DEFINE_integer, "steps", "Alone, it sets the step to 2 eps / steps; none: the "
    "papers' 2 eps / 0.02, 40 at the most."),
  ("components", flags.DEFINE_integer, "components", "M; none: 64 on fundus, else 16."),
  ("detectors", flags.DEFINE_list, "detectors", f"{', '.join(DETECTORS)}."),
  ("retrain", flags.DEFINE_string, "retrain", "What detectors learn from: none (the attack without "
    "HFC), hfc (with it), mixture (both)."),
  ("target", flags.DEFINE_string, "target", "random, next, least_likely, a class."),
  ("max_adv_train", flags.DEFINE_integer, "max_adv_train", "Images in AdvTrain at the most."),
  ("max_adv_test", flags.DEFINE_integer, "max_adv_test", "Images in AdvTest; none: all."),
  ("tuning_images", flags.DEFINE_integer, "tuning_images", "AdvTrain images that "
    "--hfc_weight=auto tries weights on; none: 256 on phantoms, else 96."),
  ("min_accuracy", flags.DEFINE_float, "min_accuracy", "Refuse classifiers below it."),
  ("seed", flags.DEFINE_integer, "seed", "Of every random draw."),
  ("batch_size", flags.DEFINE_integer, "batch_size", "Images a step; 0: as many as memory holds, "
    "found once and kept."),
  ("distribute", flags.DEFINE_string, "distribute", "Where attacked images are made: none, this "
    "process; mirrored, all devices of this host; ray, workers."),
  ("ray_address", flags.DEFINE_string, "ray_address", "Of a running cluster; none: one is "
    "started here."),
  ("workers", flags.DEFINE_integer, "workers", "Of a cluster started here; none: all it holds."),
  ("threads", flags.DEFINE_integer, "threads", "Of each worker."),
  ("artefacts", flags.DEFINE_string, "artefacts", "Folder of artefacts to share; none: "
    "OUT/artefacts, without --out out/artefacts for all."),
  ("out", flags.DEFINE_string, "out", "Folder for report, results and artefacts."),
)  # fmt: skip


def define(
  values: flags.FlagValues = flags.FLAGS,
  /,
  *,
  hides: bool = False,
  trains_others: bool = False,
  **defaults: Any,
) -> Callable[[], Config]:
  """Defines the common flags.

  Args:
    values: where they are defined.
    hides: whether the binary adds the HFC term whatever --hfc says.
    trains_others: whether it trains classifiers beside the one of --model_path.
    defaults: fields of `Config` whose default differs in this binary.

  Returns:
    What makes the `Config` once the flags are parsed; it refuses flags without an effect.
  """
  start = Config(**defaults)
  holders = {}
  for field, kind, name, text in _COMMON:
    default = getattr(start, field)
    if isinstance(default, tuple):
      default = list(default)
    holders[field] = kind(name, default, text, flag_values=values)

  def config() -> Config:
    given = {field: holder.value for field, holder in holders.items()}
    if given["out"] == start.out != Config.out:  # folders of their own, one of artefacts for all
      given["artefacts"] = given["artefacts"] or f"{Config.out}/artefacts"
    lists = {field: tuple(value) for field, value in given.items() if isinstance(value, list)}
    made = dataclasses.replace(start, **(given | lists))
    for name, needed in without_effect(vars(made), hides, trains_others).items():
      several = name in ("depth", "window") and "datasets" in values and values["datasets"].present
      if values[name].present and not several:
        raise InputError(f"{needed} with --{name}", "none", "add it, or leave the flag out")
    return made

  return config


def without_effect(config: Mapping[str, Any], hides: bool, trains_others: bool) -> dict[str, str]:
  """Flags that change nothing in a study, and what they need.

  Args:
    config: fields of `Config`.
    hides, trains_others: as in `define`.
  """
  given = config.get
  hfc = given("hfc", True) or hides
  automatic = hides or "auto" in (given("hfc_weights") or ())
  volumes = given("data_dir") and given("dataset") in VOLUMES
  alone = given("model_path") and not trains_others
  rules = (  # (flags, whether they have an effect, what they need)
    (("tuning_images",), automatic, "--hfc_weight=auto"),
    (("hfc_weight", "aim", "tuning_images"), hfc, "--hfc"),
    (("depth", "window"), volumes, f"--data_dir of volumes (--dataset={', '.join(VOLUMES)})"),
    (("workers",), not given("ray_address"), "a cluster started here, without --ray_address,"),
    (("ray_address", "workers", "threads"), given("distribute") == "ray", "--distribute=ray"),
    (("preprocessing",), given("model_path") or given("preprocessing") == "auto", "--model_path"),
    (("model", "weights", "epochs", "learning_rate", "model_seed"), not alone,
     "a classifier trained here, without --model_path,"),
  )  # fmt: skip
  return {name: needed for names, effective, needed in rules if not effective for name in names}


def typed(values: flags.FlagValues = flags.FLAGS) -> set[str]:
  """The fields of `Config` whose flags stand on the command line, be it with the default value."""
  return {field for field, _, name, _ in _COMMON if values[name].present}


def choose_layers(wanted: Sequence[str], taps: Iterable[str], default: Sequence[int]) -> list[str]:
  """The taps that --layers names, in the order of the network.

  Args:
    wanted: names of taps, or numbers from 1 in the order of the network.
    taps: the names of all taps.
    default: numbers among ResNet-50's 49 activations, for when none are wanted; in another network
      the layers at these relative depths stand for them.

  Raises:
    InputError: for a layer that the network does not have.
  """
  names = list(taps)
  if not wanted:
    return [names[max(0, place - 1)] for place in sorted({
      round(number * len(names) / 49) for number in default
    })]  # fmt: skip
  chosen = set()
  for layer in wanted:
    known = layer in names or (layer.isdigit() and 1 <= int(layer) <= len(names))
    if not known:
      raise InputError(
        f"a layer from 1 to {len(names)} or among {', '.join(names)}", repr(layer), "name one"
      )
    chosen.add(names.index(layer) if layer in names else int(layer) - 1)
  return [names[place] for place in sorted(chosen)]
