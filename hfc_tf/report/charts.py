"""Charts of the experiments: lines and points, a matrix, images with boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from hfc_tf.report.figures import INK, Figure, canvas, default_style, drawn, one_line
from hfc_tf.results.figures import BoxedImages, LineChart, MatrixChart


def _label_axes(axes: Axes, x_label: str, y_label: str) -> None:
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
def line_chart(chart: LineChart) -> Figure:
  """Draws a `LineChart`."""
  figure = canvas(6.2, 3.9)
  axes = figure.subplots()
  if chart.level is not None:
    axes.axhline(chart.level, color="#BBBBBB", linewidth=0.9, zorder=0)
  if chart.upright is not None:
    axes.axvline(chart.upright, color="#BBBBBB", linewidth=0.9, zorder=0)
  for line in chart.lines:
    axes.plot(line.x, line.y, color=line.color, linestyle=line.style, marker=line.marker,
              markersize=4.5, linewidth=1.7, label=one_line(line.label))  # fmt: skip
    if line.low is not None and line.high is not None:
      axes.vlines(line.x, line.low, line.high, color=line.color, linewidth=3, alpha=0.35)
  if chart.log_y:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
  if chart.y_range is not None:
    axes.set_ylim(*chart.y_range)
  if chart.x_ticks is not None:
    axes.set_xticks(list(chart.x_ticks), list(chart.x_ticks.values()))
  _label_axes(axes, chart.x_label, chart.y_label)
  _legend(figure, [one_line(line.label) for line in chart.lines])
  return drawn(chart, figure)


@default_style()
def matrix_chart(chart: MatrixChart) -> Figure:
  """Draws a `MatrixChart`."""
  count = len(chart.labels)
  side = 1.6 + 0.52 * count
  figure = canvas(side, side)
  axes = figure.subplots()
  axes.imshow(chart.values, cmap="cividis", vmin=-1, vmax=1)
  for row in range(count):
    for column in range(count):
      value = chart.values[row, column]
      axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5,
                color="#FFFFFF" if value < 0.3 else "#111111")  # fmt: skip
  axes.set_xticks(range(count), chart.labels, rotation=45, ha="right")
  axes.set_yticks(range(count), chart.labels)
  axes.tick_params(labelsize=8, colors=INK, length=0)
  axes.spines[:].set_visible(False)
  return drawn(chart, figure)


@default_style()
def boxed_images(chart: BoxedImages) -> Figure:
  """Draws a `BoxedImages`."""
  count, height, width = chart.columns[0][1].shape[:3]
  figure = canvas(1.45 * len(chart.columns), 1.4 * count * height / width + 0.35)
  grid: Any = figure.subplots(count, len(chart.columns), squeeze=False)
  for column, (text, images, boxes) in enumerate(chart.columns):
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
  return drawn(chart, figure)
