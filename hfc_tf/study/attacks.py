"""The attacks of a study: its settings in the units of its images, and other budgets."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

from hfc_tf.attacks import Attack, mean_gap, named
from hfc_tf.attacks.objectives import Objective
from hfc_tf.study import grid
from hfc_tf.study.config import Config
from hfc_tf.taps import TappedModel, Taps
from hfc_tf.variants import parse


def settings(config: Config, levels: int | None) -> dict[str, Any]:
  """Budget, step and chunk of both sides of a comparison."""
  free = {"free_channels": True} if config.free_channels else {}
  return {
    "eps": grid.unit(float(config.eps_256 or 0), levels),
    "step_size": grid.unit(float(config.step_size_256 or 0), levels),
    "steps": config.steps, "seed": config.seed, "batch_size": config.batch_size, **free,
  }  # fmt: skip


def make(
  model: TappedModel,
  config: Config,
  levels: int | None,
  train: Taps,
  name: str,
  terms: tuple[Objective, ...],
  kappa: float | None,
) -> Attack:
  """An attack with terms that join its objective or, where there is a kappa, are balanced by it.

  Its name may have options, see `hfc_tf.variants`.
  """
  name, options = parse(name)
  given = settings(config, levels) | options
  if name == "cw" and "kappa" not in options:  # a fact of Train (MICCAI, TMI Eq. 4)
    given["kappa"] = mean_gap(train.logits)
  if name == "least":
    given["levels"] = levels
  attack: Any = named(name)(model, **given)
  if kappa is None:
    return functools.reduce(operator.add, terms, attack)  # type: ignore[no-any-return]
  joint = functools.reduce(operator.add, terms)
  return attack.balanced(joint, kappa, levels, config.hfc_squeezing)  # type: ignore[no-any-return]


def set_budget(attack: Any, eps: float, levels: int | None, fixed: str) -> None:
  """Gives an attack N / 256: its step grows with the budget, or with fixed="step" its steps.

  Raises:
    InputError: for a budget that images have none of, see `grid.check`.
  """
  grid.check("a budget", 256 * eps, levels)
  eps = grid.unit(256 * eps, levels)
  longer, step = eps / attack.eps, attack.step_size
  attack.eps = eps
  if fixed == "step":
    attack.steps = max(1, math.ceil(attack.steps * longer - 1e-9))
    attack.step_size = step
