"""The report's curves: score histograms and ROC curves, one panel per detector."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from hfc_tf.evaluation.curves import roc_curve
from hfc_tf.report.figures import INK, Figure, canvas, default_style, to_png
from hfc_tf.results.figures import COLORS, Array, ROCCurves, ScoreHistograms, Scores
from hfc_tf.results.labels import attack_label, detector_label, group_label

_LINES: dict[str, Any] = {"clean": ":", "attack": "-", "hfc": "--"}


def _panels(scores: Scores, draw: Callable[[Axes, str, Mapping[str, Array]], str]) -> Canvas:
  """One panel per detector, three to a row; `draw` returns what its title adds to the name."""
  columns = min(3, len(scores))
  rows = -(-len(scores) // columns)
  figure = canvas(2.9 * columns, 2.35 * rows + 0.4)
  grid = figure.subplots(rows, columns, squeeze=False).ravel()
  for axes in grid[len(scores) :]:
    axes.set_axis_off()
  for axes, (detector, groups) in zip(grid, scores.items(), strict=False):
    added = draw(axes, detector, groups)
    axes.set_title(detector_label(detector) + added, fontsize=10, loc="left", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7, colors=INK)
  return figure


@default_style()
def score_histograms(chart: ScoreHistograms) -> Figure:
  """Draws a `ScoreHistograms`."""
  findings = []

  def panel(axes: Axes, detector: str, groups: Mapping[str, Array]) -> str:
    threshold = chart.thresholds.get(detector)
    groups = {group: x for group, x in groups.items() if len(x)}  # an attack may reach nothing
    pooled = np.concatenate([np.asarray(x, np.float64).ravel() for x in groups.values()])
    low, high = np.quantile(pooled, [0.01, 0.99])
    if threshold is not None:
      low, high = min(low, threshold), max(high, threshold)
    if not high > low:
      low, high = low - 0.5, high + 0.5
    bins = np.linspace(low, high, 25)
    for group, values in groups.items():
      inside = np.clip(np.asarray(values, np.float64), low, high)
      weights = np.full(inside.shape, 1 / inside.size)
      style: dict[str, Any] = {"bins": bins, "weights": weights, "color": COLORS[group]}
      axes.hist(inside, histtype="stepfilled", alpha=0.18, **style)
      axes.hist(inside, histtype="step", linewidth=1.4, linestyle=_LINES[group], **style)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if threshold is not None:
      axes.axvline(threshold, color=INK, linewidth=1)
      above = {group: float(np.mean(np.asarray(x) > threshold)) for group, x in groups.items()}
      findings.append(
        f"{detector_label(detector)}: "
        + ", ".join(f"{share:.0%} of {group_label(chart.attack, g)}" for g, share in above.items())
      )
    return ""

  figure = _panels(chart.scores, panel)
  known = any(t is not None for t in chart.thresholds.values())
  _legend(figure, chart.scores, chart.attack, threshold=known)
  return Figure(
    name=f"scores_{chart.attack}",
    title=f"Scores, {attack_label(chart.attack)}",
    png=to_png(figure),
    alt="Share of images that each detector flags (score above its threshold). "
    + "; ".join(findings)
    + "."
    if findings
    else f"Histograms of the scores of {len(chart.scores)} detectors.",
    caption="Higher scores mean more adversarial; areas are equal. The vertical line is the "
    "threshold learnt on AdvTrain. The outermost 1 % on either side is drawn in the last bin.",
  )


def _legend(figure: Canvas, scores: Scores, attack: str, threshold: bool = False) -> None:
  groups = dict.fromkeys(group for panel in scores.values() for group in panel)
  handles = [
    Line2D([], [], color=COLORS[g], linestyle=_LINES[g], label=group_label(attack, g))
    for g in groups
  ]
  if threshold:
    handles.append(Line2D([], [], color=INK, linewidth=1, label="threshold"))
  figure.legend(
    handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9
  )


@default_style()
def roc_curves(chart: ROCCurves) -> Figure:
  """Draws a `ROCCurves`."""
  findings = []
  classes: Mapping[str, Array] = chart.predicted or {}

  def panel(axes: Axes, detector: str, groups: Mapping[str, Array]) -> str:
    areas = {}
    for group in [g for g in groups if g != "clean"]:
      try:
        fpr, tpr, area = roc_curve(
          groups["clean"], groups[group], classes.get("clean"), classes.get(group)
        )
      except ValueError:
        continue
      areas[group] = f"{area:.2f}"
      axes.plot(fpr, tpr, color=COLORS[group], linestyle=_LINES[group], linewidth=1.8,
                drawstyle="steps-post")  # fmt: skip
    axes.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8, zorder=0)
    axes.axvline(0.1, color="#BBBBBB", linewidth=0.8, linestyle=":", zorder=0)
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.set_xlabel("clean images flagged", fontsize=7.5, color=INK)
    axes.set_ylabel("attacked images flagged", fontsize=7.5, color=INK)
    listed = (f"{area} for {group_label(chart.attack, group)}" for group, area in areas.items())
    findings.append(f"{detector_label(detector)}: {', '.join(listed)}")
    return ": " + " → ".join(areas.values()) if areas else ""

  figure = _panels(chart.scores, panel)
  drawn = {k: {g: v for g, v in p.items() if g != "clean"} for k, p in chart.scores.items()}
  _legend(figure, drawn, chart.attack)
  kind = "Within-class" if chart.predicted else "Pooled"
  return Figure(
    name=f"roc_{chart.attack}",
    title=f"ROC curves, {attack_label(chart.attack)}",
    png=to_png(figure),
    alt=f"{kind} areas under the curves. " + "; ".join(findings) + ".",
    caption=f"{kind} curves; the numbers are their areas, without → with HFC. The dotted line is "
    "10 % of clean images flagged (TPR@90); on the diagonal a detector is guessing.",
  )
