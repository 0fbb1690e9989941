"""The data of figures; `hfc_tf.report` draws them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Scores = Mapping[str, Mapping[str, Array]]  # by detector, then "clean", "attack", "hfc": [n]

# In the order in which a chart takes them: Okabe and Ito's colours without the yellow that nobody
# sees on white, then three of Tol's (https://personal.sron.nl/~pault/).
PALETTE = (
  "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222",
  "#882255", "#999933", "#999999",
)  # fmt: skip
COLORS = {
  "clean": "#0072B2",
  "clean_original": "#8C8C8C",
  "clean_target": "#0072B2",
  "attack": "#D55E00",
  "hfc": "#009E73",
}
MARKERS = "os^Dv<>"


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
  """One line of a chart.

  Args:
    label: in the legend.
    x: values [n]. y: values [n], NaN where there is none.
    color: one of PALETTE. style: of matplotlib; "" for points. marker: of matplotlib; "" for none.
    low: lower ends of intervals [n]. high: their upper ends [n].
  """

  label: str
  x: Sequence[float] | Array
  y: Sequence[float] | Array
  color: str
  style: str = "-"
  marker: str = ""
  low: Sequence[float] | None = None
  high: Sequence[float] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Chart:
  """What every figure says of itself.

  Args:
    name: the file's stem under figures/.
    title: its heading.
    alt: what it shows and what follows, for who cannot see it.
    caption: how to read it.
  """

  name: str
  title: str
  alt: str
  caption: str


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class LineChart(Chart):
  """Lines or points over a common axis.

  Args:
    lines: in the order of the legend.
    x_label: of the horizontal axis, with its unit. y_label: of the vertical one.
    x_ticks: positions and their texts; None leaves them to matplotlib.
    y_range: of the vertical axis.
    log_y: a logarithmic vertical axis.
    level: where a thin horizontal line stands for "no change" or "guessing".
    upright: where a thin vertical line stands.
  """

  lines: Sequence[Line]
  x_label: str
  y_label: str
  x_ticks: Mapping[float, str] | None = None
  y_range: tuple[float, float] | None = None
  log_y: bool = False
  level: float | None = None
  upright: float | None = None


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class MatrixChart(Chart):
  """A symmetric matrix of similarities in [-1, 1], [n, n], with its numbers and n labels."""

  labels: Sequence[str]
  values: Array


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class BoxedImages(Chart):
  """Images in columns, with boxes drawn around what was put into them.

  Args:
    columns: (text above, images [n, H, W, C] in [0, 1], boxes int [n, k, 4] of top, left, bottom,
      right, the last two exclusive), the same n everywhere; n rows of pictures.
  """

  columns: Sequence[tuple[str, Array, Array]]


@dataclasses.dataclass(frozen=True, eq=False)
class ScoreHistograms:
  """How each detector scores clean, attacked and hidden images.

  Args:
    scores: per detector, arrays [n] under "clean", "attack" and, where there is one, "hfc".
    thresholds: per detector the threshold learnt on AdvTrain, None where there is none.
    attack: the attack's key.
  """

  scores: Scores
  thresholds: Mapping[str, float | None]
  attack: str = "bim"


@dataclasses.dataclass(frozen=True, eq=False)
class ROCCurves:
  """ROC curve of each detector against the attack without and with HFC.

  Args:
    scores: per detector, arrays [n] under "clean", "attack" and, where there is one, "hfc".
    predicted: predicted classes [n] under the same names; with them the curves are within class.
    attack: the attack's key.
  """

  scores: Scores
  predicted: Mapping[str, Array] | None = None
  attack: str = "bim"


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureMap:
  """Two-dimensional t-SNE of features, as the papers draw it (MICCAI Fig. 3, TMI Fig. 7).

  Args:
    features: arrays [n, C] under "clean_original", "clean_target", "attack" and "hfc".
    seed: of the subsample and of t-SNE.
    per_group: at most so many points of each group.
    attack: the attack's key.
    layer: the features' layer, for the caption.
    name: the file's stem. title: its heading; None: after the attack.
  """

  features: Mapping[str, Array]
  seed: int = 0
  per_group: int = 200
  attack: str = "bim"
  layer: str = "the penultimate layer"
  name: str | None = None
  title: str | None = None


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ExampleImages:
  """Clean, attacked and hidden images with the perturbation magnified.

  Args:
    clean: images in [0, 1], [n, H, W, C] or [n, D, H, W, C]; n of 3 or 4 reads best.
    attacked: the same images under the attack, same shape.
    hidden: the same images under the attack with HFC, same shape; None without one.
    eps_256: the attack's budget in units of 1/256; it becomes black and white.
    attack: the attack's key.
    labels: a short text per image, such as "normal -> pneumonia".
  """

  clean: Array
  attacked: Array
  hidden: Array | None
  eps_256: float
  attack: str = "bim"
  labels: Sequence[str] | None = None
