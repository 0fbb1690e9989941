"""Figures whose data are computed: example images, score histograms, ROC curves, t-SNE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import manifold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from hfc_tf.evaluation.curves import roc_curve
from hfc_tf.experiments.measures import draw, relative_distance
from hfc_tf.results.figures import PALETTE, ImageGrid, Line, LineChart, Panels, look
from hfc_tf.results.labels import attack_label, decimal, detector_label, group_label, number

Array = NDArray[Any]
# By "clean", "attack" (without HFC) and what is with HFC: "hfc", or the rules of its weights.
Groups = Mapping[str, Array]
Scores = Mapping[str, Groups]  # [n] by detector
_BINS = 24


def example_images(
  attack: str, clean: Array, attacked: Groups, eps_256: float, labels: Sequence[str] = ()
) -> ImageGrid:
  """Clean and attacked images [n, (D,) H, W, C] with the perturbation magnified.

  `attacked` holds no "clean"; `eps_256` becomes black and white; `labels` are short texts, one an
  image.
  """
  scale = 256 / (2 * eps_256)  # a change of +-eps spans the grey scale
  names = {group: group_label(attack, group) for group in attacked}
  columns = {"clean": clean} | {names[group]: images for group, images in attacked.items()}
  columns |= {f"change × {number(scale, 1)} by\n{names[group]}": 0.5 + scale * (images - clean)
              for group, images in attacked.items()}  # fmt: skip
  middle = clean.shape[1] // 2
  shown = [(text, x[:, middle] if x.ndim == 5 else x) for text, x in columns.items()]
  largest = ", ".join(
    f"{number(256 * float(np.abs(images - clean).max()), 2)}/256 by {names[group]}"
    for group, images in attacked.items()
  )
  return ImageGrid(
    f"examples_{attack}", f"Example images, {attack_label(attack)}", columns=shown, labels=labels,
    alt=f"{len(clean)} images, clean and attacked. The largest change of any pixel is {largest}.",
    caption=f"Changes are magnified {number(scale, 1)} times and signed: mid-grey is no change."
    + (" The middle slice of each volume is shown." if clean.ndim == 5 else ""),
  )  # fmt: skip


def score_histograms(attack: str, scores: Scores, thresholds: Mapping[str, float | None]) -> Panels:
  """How each detector scores clean, attacked and hidden images, with its threshold."""
  panels, flagged = [], []
  for detector, groups in scores.items():
    threshold, name = thresholds.get(detector), detector_label(detector)
    groups = {group: x for group, x in groups.items() if len(x)}  # an attack may reach nothing
    ends = np.quantile(np.concatenate(list(groups.values())), [0.01, 0.99])
    ends = ends if threshold is None else np.append(ends, threshold)
    edges, lines = np.histogram_bin_edges(ends, _BINS), []
    for place, (group, x) in enumerate(groups.items()):
      color, style, _ = look(group, place)
      counts = np.histogram(np.clip(x, edges[0], edges[-1]), edges)[0] / len(x)
      lines.append(Line(
        group_label(attack, group), np.repeat(edges, 2), np.pad(np.repeat(counts, 2), 1),
        color, style, filled=True,
      ))  # fmt: skip
    if threshold is not None:
      top = max(float(np.max(line.y)) for line in lines)
      lines.append(Line("threshold", [threshold] * 2, [0, top], PALETTE[6]))
      shares = (f"{np.mean(x > threshold):.0%} of {group_label(attack, group)}"
                for group, x in groups.items())  # fmt: skip
      flagged.append(f"{name}: {', '.join(shares)}")
    panels.append(LineChart("", name, lines=lines, y_ticks=False))
  return Panels(
    f"scores_{attack}", f"Scores, {attack_label(attack)}", panels=panels,
    alt=f"Share of images with a score above the threshold. {'; '.join(flagged)}.",
    caption="Higher scores mean more adversarial. The vertical line is the threshold learnt on "
    "AdvTrain. The outermost 1 % on either side is drawn in the last bin.",
  )  # fmt: skip


def roc_curves(attack: str, scores: Scores, predicted: Groups | None = None) -> Panels:
  """ROC curve of each detector, within class where predicted classes [n] are given."""
  classes = predicted or {}
  panels, listed = [], []
  for detector, groups in scores.items():
    lines, areas = [Line("", [0, 1], [0, 1], PALETTE[-1], ":")], {}
    for place, group in enumerate(groups):
      if group == "clean":
        continue
      label = group_label(attack, group)
      try:
        fpr, tpr, area = roc_curve(
          groups["clean"], groups[group], classes.get("clean"), classes.get(group)
        )
      except ValueError:  # no class has both
        continue
      areas[label] = f"{area:.2f}"
      x, y = np.repeat(fpr, 2)[1:], np.repeat(tpr, 2)[:-1]  # a staircase
      lines.append(Line(label, x, y, *look(group, place)[:2]))
    name = detector_label(detector)
    listed.append(f"{name}: {', '.join(f'{area} for {label}' for label, area in areas.items())}")
    panels.append(LineChart(
      "", f"{name}: {' → '.join(areas.values())}" if areas else name, lines=lines,
      x_label="clean images flagged", y_label="attacked images flagged",
      x_ticks={0: "0", 0.5: "0.5", 1: "1"}, y_range=(0, 1.01), upright=0.1,
    ))  # fmt: skip
  kind = "Within-class" if predicted else "Pooled"
  return Panels(
    f"roc_{attack}", f"ROC curves, {attack_label(attack)}", panels=panels,
    alt=f"{kind} areas under the curves. {'; '.join(listed)}.",
    caption=f"{kind} curves; the numbers are their areas, without → with HFC. The grey line is "
    "10 % of clean images flagged (TPR@90); on the diagonal a detector is guessing.",
  )  # fmt: skip


def feature_map(
  attack: str, features: Groups, layer: str, seed: int = 0, per_group: int = 200, name: str = ""
) -> LineChart:
  """Two-dimensional t-SNE of features, as the papers draw it (MICCAI Fig. 3, TMI Fig. 7).

  Args:
    attack: its key. layer: that of the features, for the caption.
    features: arrays [n, C] under "clean_original", "clean_target" and as in `Groups`.
    seed: of t-SNE and of the subsample of at most `per_group` points of each group.
    name: the file's stem; "": after the attack, and so is the title.
  """
  rng = np.random.default_rng(seed)
  shown = {group: draw(rng, x, per_group) for group, x in features.items() if len(x)}
  stacked = np.concatenate(list(shown.values())).astype(np.float32)  # [N, C]
  perplexity = float(min(30, max(1, (len(stacked) - 1) // 3)))
  tsne = manifold.TSNE(perplexity=perplexity, max_iter=600, init="pca", random_state=seed)
  with threadpool_limits(1):  # t-SNE's threads wait for each other far longer than they work
    points = tsne.fit_transform(stacked)  # [N, 2]
  ends = np.cumsum([len(x) for x in shown.values()])
  lines = []
  for place, (group, xy) in enumerate(zip(shown, np.split(points, ends[:-1]), strict=True)):
    color, _, marker = look(group, place)
    lines.append(Line(group_label(attack, group), xy[:, 0], xy[:, 1], color, "", marker))
  target = shown.get("clean_target", stacked[:0])
  distances = "; ".join(
    f"{decimal(relative_distance(target, x))} for {group_label(attack, group)}"
    for group, x in shown.items() if not group.startswith("clean") and len(target) > 1
  )  # fmt: skip
  return LineChart(
    name or f"tsne_{attack}", f"Features, {layer if name else attack_label(attack)}",
    f"t-SNE of clean and attacked images. {distances}",
    f"t-SNE of the features of {layer}, at most {per_group} images a group. Median distance to the "
    "nearest clean image of the target class, where 1 is what these have among themselves: "
    f"{distances or 'none'}.",
    lines=lines, x_ticks={}, y_ticks=False,
  )  # fmt: skip
