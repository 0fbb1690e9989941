"""The commands, with the flags of each beside the common ones, and one library call."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from absl import flags

from hfc_tf.commands import program
from hfc_tf.commands.flags import (
  Option,
  budgets,
  checked,
  datasets,
  define,
  names,
  natural,
  number,
  typed,
)
from hfc_tf.data import download
from hfc_tf.errors import InputError
from hfc_tf.experiments import EXPERIMENTS
from hfc_tf.models import MODELS
from hfc_tf.study import values
from hfc_tf.study.setting import backbones

flags.disclaim_key_flags()  # so that --help of a command shows them as its own

Options = dict[str, Option]


@program.experiment("detection", {})
def run_attack() -> Options:
  """Attacks without and with HFC, asks detectors: run_attack --dataset=chest --hfc."""
  return {}


@program.experiment("adaptive")
def run_adaptive() -> Options:
  """Compares HFC with other adaptive attacks: run_adaptive --dataset=chest."""
  known = ["selective", "orthogonal"]
  text = "Attacks that know the detector: selective, orthogonal."
  return {"bounds": names("bounds", text, known, default=known)}


@program.experiment("budget")
def run_budget() -> Options:
  """Attacks within larger and larger budgets: run_budget --models=resnet50,vgg16."""
  text = "A budget in 1/256, as often as wanted; none: 1/4, 1/2, 1 and 2 times --eps."
  return {
    "models": names("models", "Backbones; none: that of --model.", MODELS),
    "budgets_256": budgets("budget", text),
  }


@program.experiment("checklist")
def run_checklist() -> Options:
  """Answers Carlini et al.'s list on evaluations: run_checklist --dataset=chest."""
  return {
    "queries": number("queries", "Of the attack without gradients, for each image.", 1000),
    "restarts": number("restarts", "Runs of the attack that is restarted.", 5, 2),
  }


@program.experiment("classifiers")
def run_classifiers() -> Options:
  """Trains the classifiers: run_classifiers --datasets=chest,fundus --models=small_resnet."""
  text = "Names, name=folder or name:side=folder; without a folder the phantom. None: --dataset."
  return {
    "datasets": datasets(text),
    "models": names("models", "Backbones; none: --model.", MODELS),
  }


@program.experiment("components")
def run_components() -> Options:
  """Hides with more and more components: run_components --dataset=fundus."""
  text = "A number of components M, as often as wanted; none: 1, 2, 4, ... 128."

  def check(label: str, counts: Sequence[int] | None) -> None:
    for count in counts or ():
      values.whole(label, count, 1, 65536)
    values.several(label, counts)

  return {"components": checked(flags.DEFINE_multi_integer("count", None, text), check)}


@program.experiment("defender")
def run_defender() -> Options:
  """Lets detectors learn from hidden images too: run_defender --dataset=chest."""
  return {}


@program.experiment("gradient_direction")
def run_gradient_direction() -> Options:
  """Checks that attacks push one way: run_gradient_direction --natural_dir=cifar10/."""
  return {"natural": natural()}


@program.experiment("layers")
def run_layers() -> Options:
  """Asks the detectors layer by layer: run_layers --dataset=fundus."""
  return {}


@program.experiment("medical_natural")
def run_medical_natural() -> Options:
  """Compares medical with natural images: run_medical_natural --natural_dir=cifar10.npz."""
  eps = budgets("natural_eps", "Their budgets in 1/256.", [8.0, 16.0])
  return {"budgets_256": eps, "natural": natural()}


@program.experiment("ood")
def run_ood() -> Options:
  """Scores images with synthetic lesions by the HFC term: run_ood --dataset=chest."""
  text = "size:number of lesions an image; tiny, small, medium or large. None: as in TMI Table VI."
  lesions = names("lesions", text)

  def wanted() -> list[tuple[str, int]] | None:
    from hfc_tf.data.lesions import parse  # SciPy takes its time

    entries = lesions()
    return None if entries is None else parse(entries)

  return {"wanted": wanted, "draws": number("draws", "Of lesions, for each image.", 10)}


@program.experiment("pretraining")
def run_pretraining() -> Options:
  """Trains from --weights and from scratch, attacks both: run_pretraining --weights=imagenet."""
  return {
    "trainings": number("trainings", "Of each start.", 3, 2),
    "budgets_256": budgets(
      "budget", "A budget of the curve in 1/256, as often as wanted.", [0.25, 0.5, 1.0, 2.0, 4.0]
    ),
    "transfer_256": budgets(
      "transfer_budget", "Of images made on another training, in 1/256.", [4.0, 8.0]
    ),
  }


@program.experiment("semi_white_box")
def run_semi_white_box() -> Options:
  """Attacks through a substitute classifier: run_semi_white_box --dataset=chest --eps=4."""
  text = "Architectures of the substitutes; none: that of --model."
  substitutes = names("substitutes", text, MODELS)
  text = "Beside substitutes that start from --weights also some from scratch; default: yes."
  cross = flags.DEFINE_boolean("cross_starts", None, text)

  def crossed() -> bool | None:
    if cross.value is not None and flags.FLAGS["weights"].value is None:
      raise InputError("--weights with --cross_starts", "none", "add it")
    return cross.value

  return {"substitutes": substitutes, "cross_starts": crossed}


@program.experiment("stress_test")
def run_stress_test() -> Options:
  """Moves features as far as it can: run_stress_test --natural_dir=cifar10/."""
  return {
    "layers": names("layers", "Names or numbers from 1; none: the papers'."),
    "images": number("stress_images", "AdvTest images that are attacked.", 64),
    "iterations": number(
      "iterations", "Of BIM at 8/256; 0: 2 eps / --step_size. None: 20, in the papers' setting 0.",
      None, 0,
    ),
    "natural": natural(),
  }


@program.experiment("tsne")
def run_tsne() -> Options:
  """Draws clean, attacked and hidden features: run_tsne --layers=16,34,49."""
  return {"layers": names("layers", "Names or numbers from 1; none: three depths.")}


@program.experiment("volumes")
def run_volumes() -> Options:
  """Compares volumes with slices: run_volumes --dataset=brain."""
  text = "A budget of the curve in 1/256, as often as wanted; none: 1/32 to 1 times --eps, with "
  text += "--setting=papers 0.01 to 0.2 as in TMI Fig. 9 (on --grid=float)."
  beside = "Two-dimensional images whose curves are drawn beside, as chest=FOLDER or, of another "
  beside += "side, chest:64=FOLDER; without a folder the phantom."
  model = "Classifier of slices and of --datasets; none: the volumes' network with 2-D kernels."
  return {
    "budgets_256": budgets("budget", text),
    "datasets": datasets(beside),
    "slices_model": checked(
      flags.DEFINE_string("slices_model", None, model),
      lambda label, value: values.among(label, value, MODELS),
    ),
  }  # fmt: skip


def reproduce() -> None:
  """Runs every experiment of the papers: reproduce --budget_minutes=60."""
  make_config = define(hides=True, trains_others=True, several_budgets=True)
  only = names("only", f"{', '.join(EXPERIMENTS)}; none: all.", EXPERIMENTS)
  make_natural = natural()
  text = "Start no experiment that is expected to end later; none: run all."
  budget = flags.DEFINE_float("budget_minutes", None, text)
  text = "Several, as chest=FOLDER,cifar10:32=FOLDER,volumes:48=FOLDER (NAME:SIDE=FOLDER); none: "
  images = datasets(text + "--dataset. Volumes make run_volumes; CIFAR-10 is what others are held "
                    "against, unless --natural_dir names images.")  # fmt: skip
  networks = names("models", "Backbones, of images that are no volumes; none: --model.", MODELS)

  def main() -> None:
    config, against, wanted = make_config(), make_natural(), only()
    listed, models = images() or (), networks() or ()
    if models and config.model_path:
      raise InputError("no --model_path with --models", config.model_path, "leave one out")
    model = str(dataclasses.replace(config, hfc=True).resolved().model)
    values.starts_fit("--weights", config.weights, models or backbones(config) or [model])
    values.real("--budget_minutes", budget.value, 0, low_fits=True)
    experiments, report = map(program.load, ("hfc_tf.experiments.reproduce", "hfc_tf.report"))
    with program.load("hfc_tf.progress").current.shown():
      experiments.run(config, report.write, wanted or (), against, budget.value, typed(),
                      listed, models)  # fmt: skip
    program.say(f"report: {config.out}/report.html")

  program.run(main, reproduce.__doc__)


def download_data() -> None:
  """Fetches a public data set: download_data --dataset=chest --out=data."""
  dataset = flags.DEFINE_enum("dataset", "chest", list(download.DOWNLOADS), "What to fetch.")
  out = flags.DEFINE_string("out", "data", "Folder that receives a sub-folder per data set.")
  sizes = [str(size) for size in download.SIZES]
  size = flags.DEFINE_enum("size", "224", sizes, "MedMNIST only: side in pixels.")

  def main() -> None:
    data_dir = download.download(dataset.value, out.value, int(size.value))
    name = "npz" if data_dir.suffix == ".npz" else dataset.value
    program.say(f"--dataset={name} --data_dir={data_dir}")

  program.run(main, download_data.__doc__)
