"""A command for each experiment: its flags, checked without TensorFlow, then one library call."""

from __future__ import annotations

from typing import Any

from absl import flags

from hfc_tf.commands import natural, program
from hfc_tf.data import DATASETS
from hfc_tf.models import MODELS
from hfc_tf.study import values

flags.disclaim_key_flags()  # so that --help of a command shows them as its own


def run_attack() -> None:
  """Attacks without and with HFC, asks detectors: run_attack --dataset=chest --hfc."""
  program.experiment("detection", defaults={}, text=run_attack.__doc__)


def run_adaptive() -> None:
  """Compares HFC with other adaptive attacks: run_adaptive --dataset=chest."""
  bounds = flags.DEFINE_list(
    "bounds", ["selective", "orthogonal"], "Attacks that know the detector: selective, orthogonal."
  )

  def arguments() -> dict[str, Any]:
    values.several("--bounds", bounds.value, ("selective", "orthogonal"))
    return {"bounds": bounds.value}

  program.experiment("adaptive", arguments, text=run_adaptive.__doc__)


def run_budget() -> None:
  """Attacks within larger and larger budgets: run_budget --models=resnet50,vgg16."""
  models = flags.DEFINE_list("models", None, "Backbones; none: that of --model.")
  budgets = flags.DEFINE_multi_float(
    "budget", None, "A budget in 1/256, as often as wanted; none: 1/4, 1/2, 1 and 2 times --eps."
  )

  def arguments() -> dict[str, Any]:
    values.several("--models", models.value, MODELS)
    values.budgets("--budget", budgets.value)
    return {"models": models.value, "budgets_256": budgets.value}

  program.experiment("budget", arguments, text=run_budget.__doc__)


def run_classifiers() -> None:
  """Trains the classifiers: run_classifiers --datasets=chest,fundus --models=small_resnet."""
  datasets = flags.DEFINE_list(
    "datasets", None, "Names, or name=folder; without a folder the phantom. None: --dataset."
  )
  models = flags.DEFINE_list("models", None, "Backbones; none: --model.")

  def arguments() -> dict[str, Any]:
    for entry in datasets.value or ():
      name, _, folder = entry.partition("=")
      values.among("--datasets", name, DATASETS)
      values.readable("--datasets", folder or None)
    values.several("--datasets", datasets.value)
    values.several("--models", models.value, MODELS)
    return {"datasets": datasets.value, "models": models.value}

  program.experiment("classifiers", arguments, text=run_classifiers.__doc__)


def run_components() -> None:
  """Hides with more and more components: run_components --dataset=fundus."""
  counts = flags.DEFINE_multi_integer(
    "count", None, "A number of components M, as often as wanted; none: 1, 2, 4, ... 128."
  )

  def arguments() -> dict[str, Any]:
    for count in counts.value or ():
      values.whole("--count", count, 1, 65536)
    values.several("--count", counts.value)
    return {"components": counts.value}

  program.experiment("components", arguments, text=run_components.__doc__)


def run_defender() -> None:
  """Lets detectors learn from hidden images too: run_defender --dataset=chest."""
  program.experiment("defender", text=run_defender.__doc__)


def run_gradient_direction() -> None:
  """Checks that attacks push one way: run_gradient_direction --attack=pgd,mim."""
  program.experiment("gradient_direction", text=run_gradient_direction.__doc__)


def run_layers() -> None:
  """Asks the detectors layer by layer: run_layers --dataset=fundus."""
  program.experiment("layers", text=run_layers.__doc__)


def run_medical_natural() -> None:
  """Compares medical with natural images: run_medical_natural --natural_dir=cifar10.npz."""
  make_natural = natural.define()
  budgets = flags.DEFINE_multi_float("natural_eps", [8.0, 16.0], "Their budgets in 1/256.")

  def arguments() -> dict[str, Any]:
    values.budgets("--natural_eps", budgets.value)
    return {"natural": make_natural(), "budgets_256": tuple(budgets.value)}

  program.experiment("medical_natural", arguments, text=run_medical_natural.__doc__)


def run_ood() -> None:
  """Scores images with synthetic lesions by the HFC term: run_ood --dataset=chest."""
  lesions = flags.DEFINE_list(
    "lesions",
    None,
    "size:number of lesions an image; tiny, small, medium or large. None: those of TMI Table VI.",
  )
  draws = flags.DEFINE_integer("draws", 10, "Of lesions, for each image.")

  def arguments() -> dict[str, Any]:
    from hfc_tf.data.lesions import parse  # SciPy takes its time

    values.several("--lesions", lesions.value)
    values.whole("--draws", draws.value)
    wanted = None if lesions.value is None else parse(lesions.value)
    return {"wanted": wanted, "draws": draws.value}

  program.experiment("ood", arguments, text=run_ood.__doc__)


def run_semi_white_box() -> None:
  """Attacks through a substitute classifier: run_semi_white_box --dataset=chest --eps=4."""
  substitutes = flags.DEFINE_list(
    "substitutes", None, "Architectures of the substitutes; none: that of --model."
  )

  def arguments() -> dict[str, Any]:
    values.several("--substitutes", substitutes.value, MODELS)
    return {"substitutes": substitutes.value}

  program.experiment("semi_white_box", arguments, text=run_semi_white_box.__doc__)


def run_stress_test() -> None:
  """Moves features as far as it can: run_stress_test --natural_dir=cifar10/."""
  layers = flags.DEFINE_list("layers", None, "Names or numbers from 1; none: the papers'.")
  images = flags.DEFINE_integer("stress_images", 64, "AdvTest images that are attacked.")
  iterations = flags.DEFINE_integer("iterations", 20, "Of BIM at 8/256.")
  make_natural = natural.define()

  def arguments() -> dict[str, Any]:
    values.several("--layers", layers.value)
    values.whole("--stress_images", images.value)
    values.whole("--iterations", iterations.value)
    return {
      "layers": layers.value, "images": images.value, "iterations": iterations.value,
      "natural": make_natural(),
    }  # fmt: skip

  program.experiment("stress_test", arguments, text=run_stress_test.__doc__)


def run_tsne() -> None:
  """Draws clean, attacked and hidden features: run_tsne --layers=16,34,49."""
  layers = flags.DEFINE_list("layers", None, "Names or numbers from 1; none: three depths.")

  def arguments() -> dict[str, Any]:
    values.several("--layers", layers.value)
    return {"layers": layers.value}

  program.experiment("tsne", arguments, text=run_tsne.__doc__)


def run_volumes() -> None:
  """Compares volumes with slices: run_volumes --dataset=brain."""
  budgets = flags.DEFINE_multi_float(
    "budget",
    None,
    "A budget of the curve in 1/256, as often as wanted; none: 1/32 to 1 times --eps.",
  )

  def arguments() -> dict[str, Any]:
    values.budgets("--budget", budgets.value)
    return {"budgets_256": budgets.value}

  program.experiment("volumes", arguments, text=run_volumes.__doc__)
