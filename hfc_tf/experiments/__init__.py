"""One module per table or figure of the papers; each has run(config) -> Result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Experiment(NamedTuple):
  """How an experiment is found and what is special to it.

  Attributes:
    module: whose `run` makes it; bin/run_<name> is its executable.
    title: which tables and figures it stands for.
    minutes: what it takes on the built-in images and two cores, beyond shared artefacts.
    defaults: fields of `Config` that differ from the common ones.
    trains_others: whether it may train classifiers beside the one of --model_path.
    every_attack: whether it makes all attacks of --attack, else only one.
  """

  module: str
  title: str
  minutes: float
  defaults: Mapping[str, Any]
  trains_others: bool = False
  every_attack: bool = False


_TRAIN_OTHERS = (
  "classifiers", "stress_test", "budget", "semi_white_box", "medical_natural", "volumes",
)  # fmt: skip
_HFC: dict[str, Any] = {"hfc": True}
_AT_ONE: dict[str, Any] = {"hfc": True, "hfc_weights": ("1",)}

EXPERIMENTS = {
  name: Experiment(
    f"hfc_tf.experiments.{name}", title, minutes, {"out": f"out/{name}", **defaults},
    name in _TRAIN_OTHERS, name in ("detection", "gradient_direction", "volumes"),
  )
  for name, title, minutes, defaults in (
    ("detection", "Detection without and with HFC (MICCAI Table 2, TMI Table I)", 4, _HFC),
    ("classifiers", "The attacked classifiers (MICCAI section 5.1)", 0.5, {}),
    ("stress_test", "Stress test (MICCAI Table 1, TMI Fig. 4)", 0.5, {}),
    ("gradient_direction", "Direction of gradients (MICCAI Fig. 2, TMI Fig. 2 and 3)", 1,
     {"attacks": ("bim", "pgd", "mim", "tim", "cw")}),
    ("tsne", "Features by t-SNE (MICCAI Fig. 1 and 3, TMI Fig. 1 and 7)", 0.5, _AT_ONE),
    ("layers", "Detection by layer (TMI Fig. 6)", 0.5,
     {**_HFC, "detectors": ("kd", "maha", "lid", "dnn")}),
    ("budget", "Detection over the budget (MICCAI Fig. 3, TMI Fig. 5)", 4,
     {**_HFC, "hfc_weights": ("balanced",)}),
    ("components", "Components of the mixtures (TMI Table III)", 3, {**_AT_ONE, "aim": "mode"}),
    ("adaptive", "Other adaptive attacks (MICCAI Table 3, TMI Table II)", 7,
     {**_HFC, "detectors": ("kd", "maha", "lid", "svm", "dnn")}),
    ("semi_white_box", "Through a substitute (MICCAI Table 4, TMI Table IV)", 3,
     {**_HFC, "eps_256": 4.0}),
    ("medical_natural", "Medical and natural images (TMI Table V)", 1, _HFC),
    ("volumes", "Volumes and slices (TMI Table I, Fig. 9)", 4,
     {**_HFC, "dataset": "brain", "image_size": 32}),
    ("ood", "Synthetic lesions (TMI Fig. 8, Table VI)", 0.5, {}),
    ("defender", "The defender answers (beyond the papers)", 4, _HFC),
  )
}  # fmt: skip


def binary(experiment: str) -> str:
  """The executable that runs an experiment: "tsne" -> "run_tsne"."""
  return {"detection": "run_attack", "reproduce": "reproduce"}.get(experiment, f"run_{experiment}")
