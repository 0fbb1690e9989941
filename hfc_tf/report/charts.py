"""Charts of the experiments: lines and points, a matrix, images with boxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from hfc_tf.report.figures import INK, Array, Figure, canvas, default_style, one_line, to_png

# In the order in which a chart takes them: Okabe and Ito's colours without the yellow that nobody
# sees on white, then three of Tol's (https://personal.sron.nl/~pault/).
PALETTE = (
  "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222",
  "#882255", "#999933", "#999999",
)  # fmt: skip
MARKERS = "os^Dv<>"


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
  """One line of a chart.

  Args:
    label: in the legend.
    x: values [n]. y: values [n], NaN where there is none.
    color: one of PALETTE. style: of matplotlib. marker: of matplotlib; "" for none.
  """

  label: str
  x: Sequence[float] | Array
  y: Sequence[float] | Array
  color: str
  style: str = "-"
  marker: str = ""


def _words(axes: Axes, x_label: str, y_label: str) -> None:
  axes.set_xlabel(x_label, fontsize=9, color=INK)
  axes.set_ylabel(y_label, fontsize=9, color=INK)
  axes.tick_params(labelsize=8, colors=INK)
  axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: Canvas, labels: Sequence[str]) -> None:
  widest = max(map(len, labels))
  columns = max(1, min(len(labels), 88 // (widest + 6)))
  figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5,
                handlelength=3)  # fmt: skip


@default_style()
def line_chart(
  name: str,
  title: str,
  lines: Sequence[Line],
  *,
  x_label: str,
  y_label: str,
  alt: str,
  caption: str,
  x_ticks: Mapping[float, str] | None = None,
  y_range: tuple[float, float] | None = None,
  log_y: bool = False,
  level: float | None = None,
  upright: float | None = None,
) -> Figure:
  """Lines, or with the style "" points, over a common axis.

  Args:
    name: the file's stem.
    title: the heading.
    lines: in the order of the legend.
    x_label: of the horizontal axis, with its unit. y_label: of the vertical one.
    alt: what it shows, for who cannot see it.
    caption: how to read it.
    x_ticks: positions and their texts; None leaves them to matplotlib.
    y_range: of the vertical axis.
    log_y: a logarithmic vertical axis.
    level: where a thin horizontal line stands for "no change" or "guessing".
    upright: where a thin vertical line stands.
  """
  figure = canvas(6.2, 3.9)
  axes = figure.subplots()
  if level is not None:
    axes.axhline(level, color="#BBBBBB", linewidth=0.9, zorder=0)
  if upright is not None:
    axes.axvline(upright, color="#BBBBBB", linewidth=0.9, zorder=0)
  for line in lines:
    axes.plot(line.x, line.y, color=line.color, linestyle=line.style, marker=line.marker,
              markersize=4.5, linewidth=1.7, label=one_line(line.label))  # fmt: skip
  if log_y:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
  if y_range is not None:
    axes.set_ylim(*y_range)
  if x_ticks is not None:
    axes.set_xticks(list(x_ticks), list(x_ticks.values()))
  _words(axes, x_label, y_label)
  _legend(figure, [one_line(line.label) for line in lines])
  return Figure(name, title, to_png(figure), alt, caption)


@default_style()
def matrix_chart(
  name: str,
  title: str,
  labels: Sequence[str],
  values: Array,
  *,
  alt: str,
  caption: str,
) -> Figure:
  """A symmetric matrix of similarities in [-1, 1], [n, n], with its numbers."""
  count = len(labels)
  side = 1.6 + 0.52 * count
  figure = canvas(side, side)
  axes = figure.subplots()
  axes.imshow(values, cmap="cividis", vmin=-1, vmax=1)
  for row in range(count):
    for column in range(count):
      value = values[row, column]
      axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5,
                color="#FFFFFF" if value < 0.3 else "#111111")  # fmt: skip
  axes.set_xticks(range(count), labels, rotation=45, ha="right")
  axes.set_yticks(range(count), labels)
  axes.tick_params(labelsize=8, colors=INK, length=0)
  axes.spines[:].set_visible(False)
  return Figure(name, title, to_png(figure), alt, caption)


@default_style()
def boxed_images(
  name: str,
  title: str,
  columns: Sequence[tuple[str, Array, Array]],
  *,
  alt: str,
  caption: str,
) -> Figure:
  """Images in columns, with boxes drawn around what was put into them.

  Args:
    name: the file's stem.
    title: the heading.
    columns: (text above, images [n, H, W, C] in [0, 1], boxes int [n, k, 4] of top, left, bottom,
      right, the last two exclusive), the same n everywhere; n rows of pictures.
    alt: what it shows. caption: how to read it.
  """
  count, height, width = columns[0][1].shape[:3]
  figure = canvas(1.45 * len(columns), 1.4 * count * height / width + 0.35)
  grid: Any = figure.subplots(count, len(columns), squeeze=False)
  for column, (text, images, boxes) in enumerate(columns):
    for row in range(count):
      axes = grid[row, column]
      axes.imshow(np.squeeze(images[row]), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
      for top, left, bottom, right in boxes[row]:
        axes.add_patch(
          Rectangle((left - 1, top - 1), right - left + 1, bottom - top + 1, fill=False,
                    edgecolor="#E8212B", linewidth=1.1)
        )  # fmt: skip
      axes.set(xticks=[], yticks=[])
      axes.spines[:].set_visible(False)
    grid[0, column].set_title(text, fontsize=8, color=INK)
  return Figure(name, title, to_png(figure), alt, caption)
