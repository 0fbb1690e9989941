"""What experiments begin with and end with: a study, some of its layers, the rows of a case."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import Any

from hfc_tf.study.cases import Case
from hfc_tf.study.config import Config
from hfc_tf.study.flags import choose_layers
from hfc_tf.study.study import Study

_BLOCK_ENDS = (10, 22, 40, 49)  # of ResNet-50's 49 activations


def hiding_study(config: Config) -> tuple[Study, str]:
  """The study with HFC, whatever `config` says of it, and its first attack."""
  study = Study(dataclasses.replace(config, hfc=True).resolved())
  return study, study.config.attacks[0]


def block_ends(taps: Iterable[str]) -> list[str]:
  """The last tap of each block, by what stands before the second part of a name.

  conv2_block1_1_relu and conv2_block3_out belong to block conv2. Where names tell too little, the
  layers at the depths of ResNet-50's block ends.
  """
  names = list(taps)
  blocks = {}
  for name in names:
    found = re.match(r"[a-z_]*?\d+", name)
    blocks[found.group() if found else name] = name
  ends = list(blocks.values())
  return ends if 2 <= len(ends) <= 8 else choose_layers((), names, _BLOCK_ENDS)


def labelled_rows(case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
  """Each arm's label with the fields of a `DetectionRow`: one a detector, all that succeeded."""
  for label in case.images:
    for row in case.rows_of(label):
      yield label, vars(row)
