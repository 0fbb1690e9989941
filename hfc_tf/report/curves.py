"""The report's curves: score histograms and ROC curves, one panel per detector."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from sklearn import metrics

from hfc_tf.report.figures import COLORS, INK, Array, Figure, canvas, default_style, to_png
from hfc_tf.report.words import arm_label, attack_label, detector_label

Scores = Mapping[str, Mapping[str, Array]]

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
def score_histograms(
  scores: Scores, thresholds: Mapping[str, float | None], *, attack: str = "bim"
) -> Figure:
  """How each detector scores clean, attacked and hidden images.

  Args:
    scores: per detector, arrays [n] under "clean", "attack" and, where there is one, "hfc".
    thresholds: per detector the threshold learnt on AdvTrain, None where there is none.
    attack: the attack's key.
  """
  findings = []

  def draw(axes: Axes, detector: str, groups: Mapping[str, Array]) -> str:
    threshold = thresholds.get(detector)
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
        + ", ".join(f"{share:.0%} of {arm_label(attack, g)}" for g, share in above.items())
      )
    return ""

  figure = _panels(scores, draw)
  _legend(figure, scores, attack, threshold=any(t is not None for t in thresholds.values()))
  return Figure(
    name=f"scores_{attack}",
    title=f"Scores, {attack_label(attack)}",
    png=to_png(figure),
    alt="Share of images that each detector flags (score above its threshold). "
    + "; ".join(findings)
    + "."
    if findings
    else f"Histograms of the scores of {len(scores)} detectors.",
    caption="Higher scores mean more adversarial; areas are equal. The vertical line is the "
    "threshold learnt on AdvTrain. The outermost 1 % on either side is drawn in the last bin.",
  )


def _legend(figure: Canvas, scores: Scores, attack: str, threshold: bool = False) -> None:
  groups = dict.fromkeys(group for panel in scores.values() for group in panel)
  handles = [
    Line2D([], [], color=COLORS[g], linestyle=_LINES[g], label=arm_label(attack, g)) for g in groups
  ]
  if threshold:
    handles.append(Line2D([], [], color=INK, linewidth=1, label="threshold"))
  figure.legend(
    handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9
  )


def roc_curve(
  clean: Array,
  adversarial: Array,
  clean_predicted: Array | None = None,
  adversarial_predicted: Array | None = None,
) -> tuple[Array, Array, float]:
  """False positive rates, true positive rates and the area, within class where classes are given.

  The within-class curve is the mean over c of the curves of the adversarials predicted c against
  the clean images predicted c; its area is the mean of theirs.

  Args:
    clean: scores of clean images, [n].
    adversarial: scores of adversarial images, [m].
    clean_predicted: predicted classes of the clean images, [n].
    adversarial_predicted: predicted classes of the adversarial images, [m].

  Raises:
    ValueError: no class has both clean and adversarial images.
  """
  if clean_predicted is None or adversarial_predicted is None:
    clean_predicted, adversarial_predicted = np.zeros(len(clean)), np.zeros(len(adversarial))
  curves = []
  for c in np.intersect1d(clean_predicted, adversarial_predicted):
    normal, attacked = clean[clean_predicted == c], adversarial[adversarial_predicted == c]
    truth = np.repeat([0, 1], [len(normal), len(attacked)])
    curves.append(
      metrics.roc_curve(truth, np.concatenate([normal, attacked]), drop_intermediate=False)[:2]
    )
  if not curves:
    raise ValueError("no class has both clean and adversarial images")
  area = float(np.mean([metrics.auc(fpr, tpr) for fpr, tpr in curves]))
  # Taken at every step of every curve; interp keeps the upper end of a vertical step, so that the
  # mean is a staircase too (without ties exactly) and is drawn as one.
  grid = np.unique(np.concatenate([fpr for fpr, _ in curves]))
  rates = [np.interp(grid, fpr, tpr) for fpr, tpr in curves]
  fpr = np.concatenate([[0.0], grid])
  tpr = np.concatenate([[0.0], np.mean(rates, axis=0)])
  return fpr, tpr, area


@default_style()
def roc_curves(
  scores: Scores, *, predicted: Mapping[str, Array] | None = None, attack: str = "bim"
) -> Figure:
  """ROC curve of each detector against the attack without and with HFC.

  Args:
    scores: per detector, arrays [n] under "clean", "attack" and, where there is one, "hfc".
    predicted: predicted classes [n] under the same names; with them the curves are within class.
    attack: the attack's key.
  """
  findings = []
  classes: Mapping[str, Array] = predicted or {}

  def draw(axes: Axes, detector: str, groups: Mapping[str, Array]) -> str:
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
    words = ", ".join(f"{area} for {arm_label(attack, group)}" for group, area in areas.items())
    findings.append(f"{detector_label(detector)}: {words}")
    return ": " + " → ".join(areas.values()) if areas else ""

  figure = _panels(scores, draw)
  _legend(figure, {k: {g: v for g, v in p.items() if g != "clean"} for k, p in scores.items()},
          attack)  # fmt: skip
  kind = "Within-class" if predicted else "Pooled"
  return Figure(
    name=f"roc_{attack}",
    title=f"ROC curves, {attack_label(attack)}",
    png=to_png(figure),
    alt=f"{kind} areas under the curves. " + "; ".join(findings) + ".",
    caption=f"{kind} curves; the numbers are their areas, without → with HFC. The dotted line is "
    "10 % of clean images flagged (TPR@90); on the diagonal a detector is guessing.",
  )
