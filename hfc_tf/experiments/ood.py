"""Does the HFC term notice what no training image has? Synthetic lesions as such signals.

TMI section V.H, Fig. 8 and Table VI: the anomaly score of an image is the quadratic form of its
penultimate features in the most likely component of the predicted class,

    S_HFC = (f - mu_m')^T S_m'^-1 (f - mu_m'),   m' = argmax_m ln(pi_m N(f))    (TMI Eq. 18, 19)
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from hfc_tf.data.lesions import add_lesions
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import auc, auc_within_class, bootstrap_auc
from hfc_tf.experiments.measures import hfc_score
from hfc_tf.report import ood as page
from hfc_tf.report.experiment import write_study
from hfc_tf.storage.arrays import Arrays
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]
TABLE_VI = (  # (size, number of lesions)
  ("small", 2), ("small", 4), ("small", 6),
  ("medium", 1), ("medium", 2), ("medium", 4),
  ("large", 1), ("large", 2), ("large", 3),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class LesionRow:
  """One size and number of lesions; AUCs are of images whose prediction the lesions left alone.

  `false_rate` is the share of images (all draws) whose prediction changed.
  """

  size: str
  count: int
  auc: float | None
  auc_low: float | None
  auc_high: float | None
  auc_within_class: float | None
  false_rate: float
  auc_paper: float | None
  false_rate_paper: float | None
  draws: int
  n_clean: int
  n_lesions: int


def run(
  config: Config, wanted: Sequence[tuple[str, int]] = TABLE_VI, draws: int = 10
) -> dict[str, Any]:
  """Puts lesions into AdvTest images, scores them and writes the report into config.out.

  Args:
    config: of the study.
    wanted: sizes and numbers of lesions.
    draws: how often lesions are drawn for each image.

  Returns:
    What results.json holds.

  Raises:
    InputError: for volumes, for fewer than one draw.
  """
  if draws < 1:
    raise InputError("at least one draw of lesions an image", str(draws), "pass --draws=10")
  begun = time.monotonic()
  study = Study(config.resolved())
  normal = hfc_score(study.density[0], study.clean["adv_test"])
  rows = [_row(study, size, count, draws, normal) for size, count in wanted]
  return write_study("ood", study, begun, rows, page.section(study, rows))


def _taps(study: Study, size: str, count: int, draw: int) -> Taps:
  """Of the AdvTest images with the lesions of one draw."""
  clean, rows = study.clean["adv_test"], study.rows_of["adv_test"]
  seed = study.config.seed * 1000 + draw
  inputs = {
    "data": study.sources.key, **study.subject.inputs(), "rows": rows,
    "size": size, "count": count, "seed": seed,
  }  # fmt: skip

  def compute() -> Arrays:
    changed, _ = add_lesions(study.images("adv_test"), size, count, seed, ids=rows)
    taps = study.subject.model.taps(changed)
    return {"features": taps.features[taps.penultimate], "logits": taps.logits}

  found, _ = study.store.arrays("lesions", VERSIONS["lesions"], inputs, compute)
  features = {clean.penultimate: found["features"]}
  return dataclasses.replace(clean, features=features, logits=found["logits"])


def _row(study: Study, size: str, count: int, draws: int, normal: Array) -> LesionRow:
  clean = study.clean["adv_test"]
  ill = Taps.concatenate([_taps(study, size, count, draw) for draw in range(draws)])
  kept = ill.predictions == np.tile(clean.predictions, draws)
  scores, predictions = hfc_score(study.density[0], ill[kept]), ill.predictions[kept]
  everyone = np.arange(len(clean)) if clean.groups is None else clean.groups
  groups = np.tile(everyone, draws)[kept]
  interval = bootstrap_auc(normal, scores, everyone, groups) if len(scores) else None
  low, high = interval or (None, None)
  paper = page.published(study.config.dataset, size, count)
  return LesionRow(
    size, count, auc(normal, scores), low, high,
    auc_within_class(normal, clean.predictions, scores, predictions), float(1 - kept.mean()),
    paper.get("auc"), paper.get("false_rate"), draws, len(normal), len(scores),
  )  # fmt: skip
