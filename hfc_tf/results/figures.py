"""The data of figures; `hfc_tf.report` draws them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

# In the order in which a chart takes them: Okabe and Ito's colours (https://jfly.uni-koeln.de/color)
# without the yellow that nobody sees on white, then three of Tol's (https://personal.sron.nl/~pault)
PALETTE = (
  "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222",
  "#882255", "#999933", "#999999",
)  # fmt: skip
# What a line or point shows: colour, style, marker. Apart for all kinds of colour blindness, by
# lightness or marker too; other weights of HFC take the rest of PALETTE.
GROUPS = {
  "clean": ("#8C8C8C", ":", "o"),
  "clean_original": ("#8C8C8C", "", "o"),
  "clean_target": ("#56B4E9", "", "s"),
  "attack": ("#D55E00", "-", "o"),
  "hfc": ("#006B4A", "--", "s"),
  "paper": ("#006B4A", "--", "s"),
  "balanced": ("#332288", "-.", "^"),
  "auto": ("#E69F00", (0, (4, 1, 1, 1, 1, 1)), "D"),
}
MARKERS = "os^Dv<>"


def look(group: str | None, place: int = 0) -> tuple[str, Any, str]:
  """Colour, style and marker of a group of images; `place` among those without any of their own."""
  others = (PALETTE[3 + place % 4], (0, (2 + place % 3, 1)), MARKERS[4 + place % 3])
  return GROUPS.get(group or "attack", others)


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
  """One line of a chart.

  Args:
    label: in the legend; "" keeps it out.
    x: values [n]. y: values [n], NaN where there is none.
    color: of matplotlib. style: of matplotlib; "" for points. marker: of matplotlib; "" for none.
    low: lower ends of intervals [n]. high: their upper ends [n].
    filled: whether the area below is shaded.
  """

  label: str
  x: Sequence[float] | Array
  y: Sequence[float] | Array
  color: str
  style: Any = "-"
  marker: str = ""
  low: Sequence[float] | None = None
  high: Sequence[float] | None = None
  filled: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Chart:
  """What every figure says of itself.

  Args:
    name: the file's stem under figures/.
    title: its heading.
    alt: what it shows and what follows, for who cannot see it; "": the experiment's finding.
    caption: how to read it.
  """

  name: str
  title: str
  alt: str = ""
  caption: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure(Chart):
  """A picture that is drawn already, PNG bytes."""

  png: bytes


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class LineChart(Chart):
  """Lines or points over a common axis.

  Args:
    lines: in the order of the legend.
    x_label: of the horizontal axis, with its unit. y_label: of the vertical one.
    x_ticks: positions and their texts; None leaves them to matplotlib. y_ticks: whether there are.
    y_range: of the vertical axis.
    log_y: a logarithmic vertical axis.
    level: where a thin horizontal line stands for "no change" or "guessing".
    upright: where a thin vertical line stands.
    ends: what the lower and the upper end of the vertical axis mean.
  """

  lines: Sequence[Line]
  x_label: str = ""
  y_label: str = ""
  x_ticks: Mapping[float, str] | None = None
  y_ticks: bool = True
  y_range: tuple[float, float] | None = None
  log_y: bool = False
  level: float | None = None
  upright: float | None = None
  ends: tuple[str, str] | None = None


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Panels(Chart):
  """Small line charts side by side under their titles, with one legend."""

  panels: Sequence[LineChart]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class MatrixChart(Chart):
  """A symmetric matrix of similarities in [-1, 1], [n, n], with its numbers and n labels."""

  labels: Sequence[str]
  values: Array


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ImageGrid(Chart):
  """Images in columns, with boxes drawn around what was put into them.

  Args:
    columns: (text above, images [n, H, W, C] in [0, 1]), the same n everywhere.
    boxes: of the columns that have some, int [n, k, 4] of top, left, bottom, right, the last two
      exclusive, by the column's place.
    labels: a short text beside each row.
  """

  columns: Sequence[tuple[str, Array]]
  boxes: Mapping[int, Array] = dataclasses.field(default_factory=dict)
  labels: Sequence[str] = ()
