"""Does the HFC term notice what no training image has? Synthetic lesions as such signals.

TMI section V.H, Fig. 8 and Table VI: the anomaly score of an image is the quadratic form of its
penultimate features in the most likely component of the predicted class,

    S_HFC = (f - mu_m')^T S_m'^-1 (f - mu_m'),   m' = argmax_m ln(pi_m N(f))    (TMI Eq. 18, 19)
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hfc_tf.data.lesions import SIZES, add_lesions
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import FEWEST, auc, auc_within_class, bootstrap_auc, wilson
from hfc_tf.experiments.common import study_result
from hfc_tf.experiments.measures import hfc_score
from hfc_tf.results import papers, tables
from hfc_tf.results.feature_rows import LesionRow
from hfc_tf.results.figures import PALETTE, ImageGrid, Line, LineChart
from hfc_tf.results.result import Result, Table
from hfc_tf.results.starts import student_interval
from hfc_tf.storage.arrays import Arrays
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from hfc_tf.taps import Taps

TABLE_VI = (  # (size, number of lesions)
  ("small", 2), ("small", 4), ("small", 6),
  ("medium", 1), ("medium", 2), ("medium", 4),
  ("large", 1), ("large", 2), ("large", 3),
)  # fmt: skip
Lesions = tuple[str, int]
_NOTES = (
  "Images are AdvTest images; those whose prediction the lesions change are counted (FR) and left "
  "out of the AUC, as in the paper, which prints neither diameters nor contrast of its lesions: "
  "ours have 1/32, 1/16, 1/8 and 1/4 of the image side. Intervals resample patients.",
)


def run(config: Config, wanted: Sequence[tuple[str, int]] = TABLE_VI, draws: int = 10) -> Result:
  """Puts lesions into AdvTest images and scores them.

  Args:
    config: of the study.
    wanted: sizes and numbers of lesions.
    draws: how often lesions are drawn for each image.

  Raises:
    InputError: for volumes, for fewer than one draw.
  """
  if draws < 1:
    raise InputError("at least one draw of lesions an image", str(draws), "pass --draws=10")
  study = Study(config.resolved())
  scored = {key: Taps.concatenate([_taps(study, *key, draw) for draw in range(draws)])
            for key in wanted}  # fmt: skip
  last = study.clean["adv_test"].penultimate
  rows = [_row(study, *key, draws, ill, last) for key, ill in scored.items()]
  by_layer = [_row(study, *key, draws, ill, layer) for layer in study.victim.model.layers
              for key, ill in scored.items()]  # fmt: skip
  finding = tables.means(rows, lambda row: f"{row.count} {row.size}", "AUC of S_HFC", "auc")
  return study_result(
    "ood", study, rows, {"by_layer": by_layer, "steps": list(_steps(study, scored, draws))},
    title="Lesions that no training image has: the HFC term as anomaly score",
    lead=[finding], tables=[_table(rows), _layer_table(by_layer)],
    figures=[_examples(study, rows), _curves(rows)], notes=_NOTES,
  )  # fmt: skip


def _taps(study: Study, size: str, count: int, draw: int) -> Taps:
  """Of the AdvTest images with the lesions of one draw."""
  clean, rows = study.clean["adv_test"], study.rows_of["adv_test"]
  seed = study.config.seed * 1000 + draw
  inputs = {
    "data": study.sources.key, **study.victim.inputs(), "rows": rows,
    "size": size, "count": count, "seed": seed,
  }  # fmt: skip

  def compute() -> Arrays:
    changed, _ = add_lesions(study.images("adv_test"), size, count, seed, ids=rows)
    taps = study.victim.model.taps(changed)
    features = {f"features/{name}": values for name, values in taps.features.items()}
    return {**features, "logits": taps.logits}

  arrays, _ = study.store.arrays("lesions", VERSIONS["lesions"], inputs, compute)
  features = {name: arrays[f"features/{name}"] for name in clean.features}
  return dataclasses.replace(clean, features=features, logits=arrays["logits"])


def _row(study: Study, size: str, count: int, draws: int, ill: Taps, layer: str) -> LesionRow:
  clean = study.clean["adv_test"]
  normal = hfc_score(study.density, clean, layer)
  same = ill.predictions == np.tile(clean.predictions, draws)
  scores, predictions = hfc_score(study.density, ill[same], layer), ill.predictions[same]
  everyone = np.arange(len(clean)) if clean.groups is None else clean.groups
  groups = np.tile(everyone, draws)[same]
  interval = bootstrap_auc(normal, scores, everyone, groups) if len(scores) else None
  low, high = interval or (None, None)
  published_here = layer == clean.penultimate
  paper = published(study.config.dataset, size, count) if published_here else {}
  return LesionRow(
    size, count, auc(normal, scores), low, high,
    auc_within_class(normal, clean.predictions, scores, predictions, FEWEST),
    float(1 - same.mean()),
    paper.get("auc"), paper.get("false_rate"), draws, len(normal), len(scores), layer,
  )  # fmt: skip


def _steps(study: Study, scored: Mapping[Lesions, Taps], draws: int) -> Iterator[dict[str, Any]]:
  """From each size, or number, to the next: the share of images whose S_HFC is higher there.

  Of those whose prediction neither changes; with its interval over patients.
  """
  clean = study.clean["adv_test"]
  everyone = np.tile(np.arange(len(clean)) if clean.groups is None else clean.groups, draws)
  for (one, first), (other, second) in itertools.permutations(scored.items(), 2):
    sizes = [list(SIZES).index(size) for size, _ in (one, other)]
    larger = sizes[1] > sizes[0] and one[1] == other[1]
    more = sizes[1] == sizes[0] and one[1] < other[1]
    if not (larger or more):
      continue
    same = np.tile(clean.predictions, draws)
    some = (first.predictions == same) & (second.predictions == same)
    scores = [hfc_score(study.density, each[some]) for each in (first, second)]
    higher = (scores[1] > scores[0]) + 0.5 * (scores[1] == scores[0])
    by_patient = [higher[everyone[some] == group] for group in np.unique(everyone[some])]
    n = len(by_patient)
    low, high = student_interval([each.mean() for each in by_patient]) or (None, None)
    exact = wilson(round(n * float(higher.mean())), n) if n else None
    if low is not None and high is not None and exact is not None and high - low < 1e-9:
      low, high = exact  # all patients alike
    yield {
      "first": f"{one[1]} {one[0]}", "second": f"{other[1]} {other[0]}", "n": n,
      "higher": float(np.mean([each.mean() for each in by_patient])) if n else None,
      "higher_low": low, "higher_high": high,
    }  # fmt: skip


def _layer_table(rows: Sequence[LesionRow]) -> Table:
  head = [f"{row.count} {row.size}" for row in rows if row.layer == rows[0].layer]
  body = [[layer, *(tables.cell(row, tables.interval("auc")) for row in group)]
          for (layer,), group in tables.grouped(rows, "layer").items()]  # fmt: skip
  return Table(
    "AUC of S_HFC by layer, percent, with 95 % intervals; the papers take the last.",
    ["Layer", *head], body, folded=True,
  )  # fmt: skip


def published(dataset: str, size: str, count: int) -> dict[str, float]:
  """AUC and false rate of TMI Table VI as fractions, by metric; empty where it has none."""
  printed = papers.cells(setting="ood", dataset=dataset, lesion_size=size, lesion_count=count)
  return {cell.metric: cell.value / 100 for cell in printed if cell.value is not None}


def _table(rows: Sequence[LesionRow]) -> Table:
  return tables.table(
    f"S_HFC tells images with lesions from clean ones; percent, {rows[0].draws} draws an image, "
    f"{rows[0].n_clean} clean images", rows,
    {
      "Lesions": "size", "Number": "count", "AUC [95 % interval]": tables.interval("auc"),
      "AUC within class": "auc_within_class", "FR": "false_rate", "AUC (paper)": "auc_paper",
      "FR (paper)": "false_rate_paper", "Ill images": "n_lesions",
    },
    "FR: share of images whose prediction the lesions change. Paper: TMI, Table VI, on real images "
    "with lesions of its own.",
  )  # fmt: skip


def _examples(study: Study, rows: Sequence[LesionRow]) -> ImageGrid:
  chosen = [0, len(study.rows_of["adv_test"]) // 2]
  clean = study.images("adv_test", np.array(chosen))
  ids = study.rows_of["adv_test"][chosen]
  most = {row.size: row.count for row in rows}  # the last of each size has the most
  columns, boxes = [("clean", clean)], {}
  for place, (size, count) in enumerate(most.items(), start=1):
    images, boxes[place] = add_lesions(clean, size, count, study.config.seed * 1000, ids=ids)
    columns.append((f"{size}, {count}", images))
  return ImageGrid(
    "lesions", "Lesions, boxed", columns=columns, boxes=boxes,
    alt=f"Two images, clean and with {', '.join(f'{n} {s}' for s, n in most.items())} lesions, "
    "each lesion in a red box.",
    caption="After TMI, Fig. 8: deformed ellipses with a grainy texture and blurred edges.",
  )  # fmt: skip


def _curves(rows: Sequence[LesionRow]) -> LineChart:
  lines = []
  for ((size,), group), color in zip(tables.grouped(rows, "size").items(), PALETTE, strict=False):
    counts = [row.count for row in group]
    here, paper = 100 * np.array([(row.auc, row.auc_paper) for row in group], float).T
    lines.append(Line(size, counts, here, color, "-", "o"))
    if not np.isnan(paper).all():
      lines.append(Line(f"{size} (paper)", counts, paper, color, "--", "s"))
  return LineChart(
    "auc_by_lesions", "AUC by number and size of lesions", lines=lines, level=50.0,
    x_label="lesions an image", y_label="AUC of S_HFC (%)",
    x_ticks={float(n): str(n) for n in sorted({row.count for row in rows})},
    caption="Solid: here. Dashed: TMI, Table VI. The grey line is guessing.",
  )  # fmt: skip
