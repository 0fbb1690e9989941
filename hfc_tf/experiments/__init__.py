"""One module per table or figure of the papers; each has run(config) -> Result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from hfc_tf.errors import InputError
from hfc_tf.variants import base

if TYPE_CHECKING:
  from hfc_tf.study.config import Config


class Experiment(NamedTuple):
  """How an experiment is found and what is special to it.

  Attributes:
    module: whose `run` makes it; bin/run_<name> is its executable.
    title: which tables and figures it stands for.
    minutes: what it takes on the built-in images and two cores with one attack where it makes
      several, beyond shared artefacts.
    defaults: fields of `Config` that differ from the common ones.
    trains_others: whether it may train classifiers beside the one of --model_path.
    every_attack: whether it makes all attacks of --attack, else only one.
    several_budgets: whether it attacks within several budgets, see --fixed.
  """

  module: str
  title: str
  minutes: float
  defaults: Mapping[str, Any]
  trains_others: bool = False
  every_attack: bool = False
  several_budgets: bool = False

  @property
  def scale(self) -> float:
    """How many times the work of run_attack with one attack it is."""
    return self.minutes / 4


_TRAIN_OTHERS = (
  "classifiers", "gradient_direction", "stress_test", "budget", "semi_white_box",
  "medical_natural", "volumes", "pretraining",
)  # fmt: skip
PAPERS_ATTACKS = ("bim", "pgd", "cw", "mim", "tim")  # of MICCAI Table 2 and TMI Table I
_HFC: dict[str, Any] = {"hfc": True}
_WITHOUT_BUDGET = ("deepfool", "cw_l2")  # attacks that look for the smallest change

EXPERIMENTS = {
  name: Experiment(
    f"hfc_tf.experiments.{name}", title, minutes, {"out": f"out/{name}", **defaults},
    name in _TRAIN_OTHERS, name in ("detection", "gradient_direction", "volumes"),
    name in ("budget", "medical_natural", "pretraining", "volumes"),
  )
  for name, title, minutes, defaults in (
    ("detection", "Detection without and with HFC (MICCAI Table 2, TMI Table I)", 4,
     {**_HFC, "attacks": PAPERS_ATTACKS}),
    ("classifiers", "The attacked classifiers (MICCAI section 5.1)", 0.5, {}),
    ("stress_test", "Stress test (MICCAI Table 1, TMI Fig. 4)", 0.5, {}),
    ("gradient_direction", "Direction of gradients (MICCAI Fig. 2, TMI Fig. 2 and 3)", 1,
     {"attacks": PAPERS_ATTACKS}),
    ("tsne", "Features by t-SNE (MICCAI Fig. 1 and 3, TMI Fig. 1 and 7)", 0.5, _HFC),
    ("layers", "Detection by layer (TMI Fig. 6)", 0.5,
     {**_HFC, "detectors": ("kd", "maha", "lid", "dnn")}),
    ("budget", "Detection over the budget (MICCAI Fig. 3, TMI Fig. 5)", 4,
     {**_HFC, "hfc_weights": ("balanced",)}),
    ("components", "Components of the mixtures (TMI Table III)", 3, {**_HFC, "aim": "mode"}),
    ("adaptive", "Other adaptive attacks (MICCAI Table 3, TMI Table II)", 7,
     {**_HFC, "detectors": ("kd", "maha", "lid", "svm", "dnn")}),
    ("semi_white_box", "Through a substitute (MICCAI Table 4, TMI Table IV)", 3,
     {**_HFC, "eps_256": 4.0}),
    ("medical_natural", "Medical and natural images (TMI Table V)", 1, _HFC),
    ("volumes", "Volumes and slices (TMI Table I, Fig. 9)", 4,
     {**_HFC, "attacks": PAPERS_ATTACKS, "dataset": "brain", "image_size": 32}),
    ("ood", "Synthetic lesions (TMI Fig. 8, Table VI)", 0.5, {}),
    ("checklist", "Is the evaluation sound? (Carlini et al., 2019)", 5, _HFC),
    ("defender", "The defender answers (beyond the papers)", 4, _HFC),
    ("pretraining", "Medicine or the start of training (beyond the papers)", 10,
     {**_HFC, "hfc_weights": ("1",), "grid": "float"}),
  )
}  # fmt: skip


def binary(experiment: str) -> str:
  """The executable that runs an experiment: "tsne" -> "run_tsne"."""
  return {"detection": "run_attack", "reproduce": "reproduce"}.get(experiment, f"run_{experiment}")


def check(name: str, config: Config) -> None:
  """Refuses a configuration that the experiment cannot obey, without TensorFlow.

  Raises:
    InputError: for `checklist` with an attack of one step or without a budget, for `pretraining`
      without a start, with a ready classifier, or without a budget.
  """
  if name == "checklist" and config.attacks[0] in ("fgsm", "least", *_WITHOUT_BUDGET):
    expected = "an attack of several steps within a budget"
    raise InputError(expected, config.attacks[0], "take --attack=bim")
  if name != "pretraining":
    return
  if not config.weights:
    expected = "--weights=FILE or --weights=imagenet, the start that is held against none"
    raise InputError(expected, "none", "name one")
  if config.model_path:
    flag = f"--model_path={config.model_path}"
    raise InputError("no --model_path: both starts are trained here", flag, "name a --model")
  if base(config.attacks[0]) in _WITHOUT_BUDGET:
    raise InputError("an attack within a budget", config.attacks[0], "take --attack=bim")
