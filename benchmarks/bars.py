"""The benchmark's pictures: ratios, rates, and cost against size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from hfc_tf.report.figures import INK, Figure, canvas, default_style, to_png
from hfc_tf.results.figures import PALETTE

if TYPE_CHECKING:
  from benchmarks.run import Row

_AXES = {"images": "images a batch", "taps": "taps", "components": "components M",
         "size": "image side, pixels"}  # fmt: skip


@default_style()
def draw(rows: Sequence[Row]) -> list[Figure]:
  """The pictures that the rows allow."""
  ratios = [row for row in rows if row.goal is not None and not row.figure.endswith("_gib")]
  rates = [row for row in rows if row.figure.endswith("_gflops")]
  points = [row for row in rows if row.figure.split("_")[-1].isdigit() and "scaling" in row.figure]
  return [
    *([_ratios(ratios)] if ratios else []),
    *([_rates(rates)] if rates else []),
    *([_scaling(points)] if points else []),
  ]


def _whiskers(rows: Sequence[Row]) -> list[list[float]]:
  return [[row.value - row.low for row in rows], [row.high - row.value for row in rows]]


def _ratios(rows: Sequence[Row]) -> Figure:
  figure = canvas(7.2, 0.9 + 0.34 * len(rows))
  axes = figure.subplots()
  places = range(len(rows), 0, -1)
  axes.barh(
    places, [row.value - 1 for row in rows], left=1, height=0.62, color=PALETTE[0],
    xerr=_whiskers(rows), error_kw={"ecolor": INK, "elinewidth": 1},
  )  # fmt: skip
  axes.scatter([row.goal or 1 for row in rows], list(places), s=160, marker="|", linewidths=2.5,
               color=PALETTE[1], zorder=3)  # fmt: skip
  axes.set_xscale("log")
  axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
  axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
  axes.xaxis.set_minor_formatter(NullFormatter())
  axes.axvline(1, color=INK, linewidth=0.8)
  axes.set_yticks(places, [row.figure for row in rows], fontsize=8)
  axes.set_xlabel("ratio (logarithmic)", fontsize=8)
  axes.tick_params(axis="x", labelsize=8)
  axes.spines[["top", "right", "left"]].set_visible(False)
  text = "; ".join(f"{row.figure} {row.value:.2f}, goal {row.goal:g}" for row in rows)
  return Figure(
    name="ratios",
    title="Ratios and goals",
    png=to_png(figure),
    alt=f"Bars from 1 to each ratio, an orange line at each goal. {text}.",
    caption="Bars begin at 1, where both sides are equal. Orange lines are goals: at least so "
    "much, for hfc_vs_plain_m64 at most. Whiskers are quartiles.",
  )


def _rates(rows: Sequence[Row]) -> Figure:
  figure = canvas(7.2, 0.9 + 0.3 * len(rows))
  axes = figure.subplots()
  places = range(len(rows), 0, -1)
  colors = [PALETTE[2 if row.figure == "loop_gflops" else -1] for row in rows]
  axes.barh(places, [row.value for row in rows], height=0.62, color=colors,
            xerr=_whiskers(rows), error_kw={"ecolor": INK, "elinewidth": 1})  # fmt: skip
  axes.set_yticks(places, [row.figure.removesuffix("_gflops") for row in rows], fontsize=8)
  axes.set_xlabel("GFLOP/s", fontsize=8)
  axes.tick_params(axis="x", labelsize=8)
  axes.spines[["top", "right", "left"]].set_visible(False)
  text = "; ".join(f"{row.figure.removesuffix('_gflops')} {row.value:.0f}" for row in rows)
  return Figure(
    name="rates",
    title="The machine's rates",
    png=to_png(figure),
    alt=f"Bars, GFLOP/s. {text}.",
    caption="Square products by their side, the network's convolutions run alone, and the attack "
    "loop (green). Whiskers are quartiles.",
  )


def _scaling(rows: Sequence[Row]) -> Figure:
  figure = canvas(7.2, 5.2)
  texts = []
  for axes, (axis, label) in zip(figure.subplots(2, 2).flat, _AXES.items(), strict=True):
    mine = [row for row in rows if row.figure.startswith(f"scaling_{axis}_")]
    sizes = [int(row.figure.rpartition("_")[2]) for row in mine]
    axes.errorbar(sizes, [row.value for row in mine], _whiskers(mine), color=PALETTE[0],
                  ecolor=INK, marker="o", markersize=4, linewidth=1.2)  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel(label, fontsize=8)
    axes.set_ylabel("seconds a step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    pairs = zip(sizes, mine, strict=True)
    texts.append(f"{label}: {', '.join(f'{x} {row.value:.3g}' for x, row in pairs)}")
  return Figure(
    name="scaling",
    title="Cost against size",
    png=to_png(figure),
    alt=f"Seconds a step with HFC. {'; '.join(texts)}.",
    caption="Seconds a step with HFC against one size, the others at their base. Whiskers are "
    "quartiles.",
  )
