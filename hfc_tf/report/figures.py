"""Draws what `hfc_tf.results.figures` describes.

On matplotlib's Agg canvas without pyplot and with matplotlib's own settings, so that nothing global
changes and no matplotlibrc changes a picture.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from hfc_tf.results.figures import Chart, ImageGrid, LineChart, MatrixChart, Panels
from hfc_tf.results.figures import Figure as Figure

INK, _GREY, _RED = "#222222", "#BBBBBB", "#E8212B"
_DPI = 160


@contextlib.contextmanager
def default_style() -> Iterator[None]:
  """Within it matplotlib's defaults hold, and texts are shown as they are. Also a decorator.

  A dollar or backslash in the name of a class would otherwise be parsed as mathematics.
  """
  with matplotlib.rc_context(), warnings.catch_warnings():
    matplotlib.rcdefaults()
    matplotlib.rcParams["text.parse_math"] = False
    warnings.filterwarnings("ignore", "Glyph .* missing from")  # its place is marked
    yield


def one_line(text: str, most: int = 60) -> str:
  """Somebody else's text, such as the name of a class, as a picture can show it."""
  line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
  line = f" {line}" if line.startswith("_") else line  # matplotlib's legends leave it out
  return line if len(line) <= most else line[: most - 1] + "…"


def canvas(width: float, height: float) -> Canvas:
  """An empty white canvas of this size in inches."""
  figure = Canvas(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
  FigureCanvasAgg(figure)
  return figure


def to_png(figure: Canvas) -> bytes:
  """The canvas as PNG, the same bytes for the same picture."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format="png", metadata={"Software": None})
  return buffer.getvalue()


def page_width(figure: Figure) -> int:
  """In CSS pixels, from the PNG's header: the size at which it was drawn."""
  return int.from_bytes(figure.png[16:20], "big") * 96 // _DPI


@default_style()
def draw(chart: Chart) -> Figure:
  """The picture of a chart with the chart's texts; a picture as it is."""
  if isinstance(chart, Figure):
    return chart
  png = to_png(_DRAWN_BY[type(chart)](chart))
  return Figure(chart.name, chart.title, chart.alt, chart.caption, png=png)


def _line_chart(chart: LineChart) -> Canvas:
  figure = canvas(6.2, 3.9)
  _plot(figure.subplots(), chart)
  return _with_legend(figure)


def _panels(chart: Panels) -> Canvas:
  """Three to a row."""
  columns = min(3, len(chart.panels))
  rows = -(-len(chart.panels) // columns)
  figure = canvas(2.9 * columns, 2.35 * rows + 0.4)
  grid = figure.subplots(rows, columns, squeeze=False).ravel()
  for axes, panel in zip(grid, chart.panels, strict=False):
    _plot(axes, panel)
    axes.set_title(panel.title, fontsize=10, loc="left", color=INK)
  for axes in grid[len(chart.panels) :]:
    axes.set_axis_off()
  return _with_legend(figure)


def _plot(axes: Axes, chart: LineChart) -> None:
  for place, thin_line in ((chart.level, axes.axhline), (chart.upright, axes.axvline)):
    if place is not None:
      thin_line(place, color=_GREY, linewidth=0.9, zorder=0)
  for line in chart.lines:
    axes.plot(line.x, line.y, color=line.color, linestyle=line.style, marker=line.marker,
              markersize=4.5, linewidth=1.7, label=one_line(line.label) or "_")  # fmt: skip
    if line.filled:
      axes.fill_between(line.x, line.y, color=line.color, alpha=0.18, linewidth=0)
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
  if not chart.y_ticks:
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
  for place, text, side in zip((0.02, 0.98), chart.ends or (), ("bottom", "top"), strict=False):
    axes.text(1.01, place, text, transform=axes.transAxes, fontsize=8.5, color=INK,
              rotation=90, va=side, ha="left", style="italic")  # fmt: skip
  axes.set_xlabel(chart.x_label, fontsize=9, color=INK)
  axes.set_ylabel(chart.y_label, fontsize=9, color=INK)
  axes.tick_params(labelsize=8, colors=INK)
  axes.spines[["top", "right"]].set_visible(False)


def _with_legend(figure: Canvas) -> Canvas:
  """Below all axes, each label once."""
  handles: dict[str, Any] = {}
  for axes in figure.axes:
    lines, labels = axes.get_legend_handles_labels()
    handles |= dict(zip(labels, lines, strict=True))
  if handles:
    columns = max(1, min(len(handles), 88 // (max(map(len, handles)) + 6)))
    figure.legend([*handles.values()], [*handles], loc="outside lower center", ncols=columns,
                  frameon=False, fontsize=8.5, handlelength=3)  # fmt: skip
  return figure


def _matrix_chart(chart: MatrixChart) -> Canvas:
  count = len(chart.labels)
  figure = canvas(1.6 + 0.52 * count, 1.6 + 0.52 * count)
  axes = figure.subplots()
  axes.imshow(chart.values, cmap="cividis", vmin=-1, vmax=1)
  for (row, column), value in np.ndenumerate(chart.values):
    axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5,
              color="#FFFFFF" if value < 0.3 else "#111111")  # fmt: skip
  axes.set_xticks(range(count), chart.labels, rotation=45, ha="right")
  axes.set_yticks(range(count), chart.labels)
  axes.tick_params(labelsize=8, colors=INK, length=0)
  axes.spines[:].set_visible(False)
  return figure


def _image_grid(chart: ImageGrid) -> Canvas:
  count, height, width = chart.columns[0][1].shape[:3]
  figure = canvas(1.6 * len(chart.columns), 1.5 * count * height / width + 0.45)
  grid: Any = figure.subplots(count, len(chart.columns), squeeze=False)
  for column, (text, images) in enumerate(chart.columns):
    for row, axes in enumerate(grid[:, column]):
      shown = np.clip(np.squeeze(images[row]), 0, 1)
      axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
      for top, left, bottom, right in chart.boxes[column][row] if column in chart.boxes else ():
        axes.add_patch(Rectangle((left - 1, top - 1), right - left + 1, bottom - top + 1,
                                 fill=False, edgecolor=_RED, linewidth=1.1))  # fmt: skip
      axes.set(xticks=[], yticks=[])
      axes.spines[:].set_visible(False)
    grid[0, column].set_title(text, fontsize=8, color=INK)
  for axes, label in zip(grid[:, 0], chart.labels, strict=False):
    axes.set_ylabel(one_line(label, 26), fontsize=7.5, color=INK)
  return figure


_DRAWN_BY: dict[type, Callable[[Any], Canvas]] = {
  LineChart: _line_chart, Panels: _panels, MatrixChart: _matrix_chart, ImageGrid: _image_grid,
}  # fmt: skip
