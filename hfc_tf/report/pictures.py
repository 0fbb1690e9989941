"""Example images, and t-SNE of features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn import manifold, neighbors
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from hfc_tf.report.figures import INK, Figure, canvas, default_style, one_line, to_png
from hfc_tf.results.figures import COLORS, Array, ExampleImages, FeatureMap
from hfc_tf.results.labels import attack_label, group_label, number

_MARKERS = {"clean_original": "o", "clean_target": "s", "attack": "^", "hfc": "D"}


def _middle_slice(images: Array) -> Array:
  """[n, (D,) H, W, C] -> [n, H, W, C]: of a volume the middle slice."""
  return images[:, images.shape[1] // 2] if images.ndim == 5 else images


@default_style()
def example_images(chart: ExampleImages) -> Figure:
  """Draws a `ExampleImages`."""
  attacks = {group_label(chart.attack, "attack"): chart.attacked}
  if chart.hidden is not None:
    attacks[group_label(chart.attack, "hfc")] = chart.hidden
  volume = chart.clean.ndim == 5
  original = _middle_slice(np.asarray(chart.clean, np.float32))  # [n, H, W, C]
  columns: list[tuple[str, Array]] = [("clean", original)]
  columns += [(label, _middle_slice(np.asarray(x))) for label, x in attacks.items()]
  scale = 256 / (2 * chart.eps_256)  # a change of +-eps spans the grey scale
  for label, images in attacks.items():
    change = _middle_slice(np.asarray(images, np.float32)) - original
    columns.append((f"change by {label}\n× {number(scale, 1)}", 0.5 + scale * change))
  count, height, width = original.shape[:3]
  figure = canvas(1.75 * len(columns), 1.55 * count * height / width + 0.45)
  grid = figure.subplots(count, len(columns), squeeze=False)
  for row in range(count):
    for column, (title, images) in enumerate(columns):
      axes = grid[row, column]
      axes.imshow(np.clip(np.squeeze(images[row]), 0, 1), cmap="gray", vmin=0, vmax=1,
                  interpolation="nearest")  # fmt: skip
      axes.set(xticks=[], yticks=[])
      axes.spines[:].set_visible(False)
      if row == 0:
        axes.set_title(title, fontsize=8.5, color=INK)
    if chart.labels is not None:
      grid[row, 0].set_ylabel(one_line(chart.labels[row], 26), fontsize=7.5, color=INK)
  largest = [float(np.abs(np.asarray(x) - np.asarray(chart.clean)).max()) for x in attacks.values()]
  sizes = ", ".join(
    f"{number(256 * size, 2)}/256 by {label}" for label, size in zip(attacks, largest, strict=True)
  )
  where = " The middle slice of each volume is shown." if volume else ""
  return Figure(
    name=f"examples_{chart.attack}",
    title=f"Example images, {attack_label(chart.attack)}",
    png=to_png(figure),
    alt=f"{count} images, clean and attacked: at this size they look alike. "
    f"The largest change of any pixel is {sizes}.",
    caption=f"Changes are magnified {number(scale, 1)} times and signed: mid-grey is no change, "
    f"white +{number(chart.eps_256, 2)}/256, black −{number(chart.eps_256, 2)}/256.{where}",
  )


@default_style()
def feature_map(chart: FeatureMap) -> Figure:
  """Draws a `FeatureMap`."""
  rng = np.random.default_rng(chart.seed)
  shown = {
    group: x[np.sort(rng.choice(len(x), min(chart.per_group, len(x)), replace=False))]
    for group, x in chart.features.items()
    if len(x)
  }
  stacked = np.concatenate(list(shown.values())).astype(np.float32)  # [N, C]
  perplexity = float(min(30, max(1, (len(stacked) - 1) // 3)))
  tsne = manifold.TSNE(perplexity=perplexity, max_iter=600, init="pca", random_state=chart.seed)
  with threadpool_limits(1):  # t-SNE's threads wait for each other far longer than they work
    points = tsne.fit_transform(stacked)  # [N, 2]
  figure = canvas(6.2, 5.4)
  axes = figure.subplots()
  start = 0
  for group, x in shown.items():
    part = points[start : start + len(x)]
    start += len(x)
    axes.scatter(
      part[:, 0], part[:, 1], s=13, marker=_MARKERS[group], color=COLORS[group], alpha=0.65,
      linewidths=0, label=group_label(chart.attack, group),
    )  # fmt: skip
  axes.set(xticks=[], yticks=[])
  axes.spines[:].set_color("#CCCCCC")
  figure.legend(loc="outside lower center", ncols=len(shown), frameon=False, fontsize=9,
                markerscale=1.6)  # fmt: skip
  return Figure(
    name=chart.name or f"tsne_{chart.attack}",
    title=chart.title or f"Features, {attack_label(chart.attack)}",
    png=to_png(figure),
    alt="t-SNE of features. " + _distances(shown, chart.attack),
    caption=f"t-SNE of the features of {chart.layer}, at most {chart.per_group} images a group; "
    "distances between groups are only roughly kept. " + _distances(shown, chart.attack),
  )


def _distances(drawn: Mapping[str, Array], attack: str) -> str:
  """How far the groups lie from clean target-class images, in units of those images' own gaps."""
  target = drawn.get("clean_target")
  if target is None or len(target) < 2:
    return ""
  search = neighbors.NearestNeighbors(n_neighbors=1).fit(target)
  spacing = float(np.median(search.kneighbors()[0]))
  medians = {group: np.median(search.kneighbors(drawn[group])[0])
             for group in ("attack", "hfc") if group in drawn and spacing > 0}  # fmt: skip
  listed = [f"{x / spacing:.1f} for {group_label(attack, group)}" for group, x in medians.items()]
  return (
    "Median distance to the nearest clean image of the target class, before t-SNE, where 1 is "
    f"what these images have among themselves: {', '.join(listed)}."
    if listed
    else ""
  )
