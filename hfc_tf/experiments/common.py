"""What experiments begin and end with: a study, some of its layers, the rows of a comparison."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hfc_tf.attacks.updates.sign import LARGE, SMALL, WIDE
from hfc_tf.data.summary import summary as data_summary
from hfc_tf.densities.hierarchical import NARROW
from hfc_tf.results.by_class import class_tables
from hfc_tf.results.labels import number
from hfc_tf.results.result import Result, Table
from hfc_tf.study import grid
from hfc_tf.study.comparison import Comparison
from hfc_tf.study.config import Config
from hfc_tf.study.flags import choose_layers
from hfc_tf.study.setting import deviations
from hfc_tf.study.study import Study

_BLOCK_ENDS = (10, 22, 40, 49)  # of ResNet-50's 49 activations


def hfc_study(config: Config, budgets_256: Sequence[float] = ()) -> tuple[Study, str]:
  """The study with HFC, whatever `config` says of it, and its first attack.

  Other budgets that it is to have are refused as early as can be, see `budgets`.
  """
  config.check_budgets("a budget", budgets_256)
  study = Study(dataclasses.replace(config, hfc=True).resolved())
  return study, study.config.attacks[0]


def budgets(study: Study, given: Sequence[float], fractions: Sequence[float]) -> list[float]:
  """Values of eps in 1/256 in rising order: given ones, else these fractions of the study's.

  Fractions that are no budgets of the study's files are left out with a warning.

  Raises:
    InputError: for a given one that is none.
  """
  for budget in given:
    grid.check("a budget", budget, study.levels)
  if given:
    return sorted(given)
  wanted = sorted(fraction * float(study.config.eps_256 or 0) for fraction in fractions)
  there = grid.existing(wanted, study.levels)
  if lost := [f"{budget:g}/256" for budget in wanted if budget not in there]:
    files = grid.label(study.levels)
    study.warn(f"Budgets of {', '.join(lost)} do not exist in files of {files}: left out.")
  return there


def block_ends(taps: Iterable[str]) -> list[str]:
  """The last tap of each block, by the beginning of its name.

  conv2_block1_1_relu and conv2_block3_out belong to block conv2. Where names tell too little, the
  layers at the depths of ResNet-50's block ends.
  """
  names = list(taps)
  blocks = {}
  for name in names:
    block = re.match(r"[a-z_]*?\d+", name)
    blocks[block.group() if block else name] = name
  ends = list(blocks.values())
  return ends if 2 <= len(ends) <= 8 else choose_layers((), names, _BLOCK_ENDS)


def labelled_rows(compared: Comparison) -> Iterator[tuple[str, dict[str, Any]]]:
  """Each attack's label with the fields of a `DetectionRow`: one a detector, all that succeeded."""
  for label in compared.results:
    for row in compared.rows(label):
      yield label, vars(row)


def fixed(config: Config) -> str:
  """What stays the same where budgets vary, as a sentence."""
  if config.fixed == "step":
    step = number(float(config.step_size_256 or 0), 3)
    return f"At every budget the step is {step}/256; the number of steps grows with the budget."
  return f"At every budget there are {config.steps} steps, which grow with it."


def choices(study: Study) -> list[str]:
  """What depends on images and network where flags leave it open, as sentences."""
  config, lines = study.config, []
  if "tim" in config.attacks:
    wide = min(study.sources.dataset.pixels.shape[-3:-1]) >= WIDE
    size = LARGE if wide else SMALL
    lines.append(f"TIM's kernel is {size}, from {WIDE} px on {LARGE} as Dong et al.'s.")
  if config.covariance == "full":
    widths = [features.shape[1] for features in study.train.features.values()]
    low = sum(width > NARROW for width in widths)
    lines.append(f"Of {len(widths)} layers {low} are wider than {NARROW} channels: low rank there.")
  return lines


def threat_model(study: Study) -> Table:
  """What the attacker may do and knows, as a table."""
  config = study.config
  bits = grid.label(study.levels)
  stored = "as floats, in no file" if study.levels is None else f"as files of {bits}"
  channels = "each channel apart" if config.free_channels else "grey images stay grey"
  rows = [
    ["Knows", "the classifier with its weights, and Train, of which densities and detectors learn; "
     "not the detectors' parameters or scores, but for attacks that are named as knowing them"],
    ["Wants", "the prediction "
     + (f"{config.target}" if config.target.isdigit() else f"of a {config.target} wrong class")
     + ", and features that detectors take for clean ones"],
    ["May change", f"every pixel by {config.eps_256:g}/256 at the most (L-infinity), {channels}"],
    ["Images are judged", stored],
    ["Effort", f"{config.steps} steps of {number(float(config.step_size_256 or 0), 3)}/256, "
     "the same without HFC and with it"],
    ["Defender", "has detectors fitted on AdvTrain, with thresholds that pass 90 % of its clean "
     "images; nothing is learnt or chosen on AdvTest"],
  ]  # fmt: skip
  return Table("Threat model.", ["", ""], rows)


def study_result(
  name: str, study: Study, rows: Sequence[Any], more: Mapping[str, Any] | None = None, **shown: Any
) -> Result:
  """The `Result` of one study; `more` goes into results.json, `shown` are further fields.

  Where rows have figures by class, a folded table of them comes last.
  """
  names = study.sources.dataset.class_names
  shown["tables"] = [*shown.get("tables", ()), *class_tables(rows, names)]
  return Result(
    name=name, config=study.config, rows=rows, summary={**summary(study), **(more or {})},
    files=study.split_file, **shown,
  )  # fmt: skip


def summary(study: Study) -> dict[str, Any]:
  """What results.json tells of a study's images, classifier, warnings and time."""
  config, dataset = study.config, study.sources.dataset
  timing = {**study.timing, "total": time.monotonic() - study.begun}
  return {
    "timing": {name: round(seconds, 1) for name, seconds in timing.items()},
    "data": {
      "name": config.dataset,
      "title": dataset.name,
      "source": dataset.source,
      "image_size": config.image_size,
      "bits": dataset.bits,
      "grid": grid.label(study.levels),
      "train": len(study.split.train),
      **{subset: len(rows) for subset, rows in study.rows_of.items()},
      "dropped_misclassified": study.dropped,
      "groups": None if dataset.groups is None else len(np.unique(dataset.groups)),
      "class_names": list(dataset.class_names),
      **data_summary(dataset, study.split),
    },
    "classifier": {
      "name": config.model_path or config.model,
      **({} if config.model_path else {"start": config.start, "learning_rate": config.rate}),
      **study.classifier,
    },
    "sanity": study.sanity,
    "papers_setting": deviations(config),
    "warnings": study.warnings,
  }
