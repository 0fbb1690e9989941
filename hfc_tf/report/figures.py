"""The report's pictures: example images and t-SNE of features; the curves are in curves.py.

Drawn on matplotlib's Agg canvas without pyplot and with matplotlib's own settings, so that nothing
global changes and no matplotlibrc changes a picture. The colours are
Okabe and Ito's (https://jfly.uni-koeln.de/color/), told apart by line style and marker as well.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray
from sklearn import manifold, neighbors
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from hfc_tf.report.words import arm_label, attack_label, number

if TYPE_CHECKING:
  from hfc_tf.evaluation.protocol import Arm
  from hfc_tf.taps import Taps

Array = NDArray[Any]

COLORS = {
  "clean": "#0072B2",
  "clean_original": "#8C8C8C",
  "clean_target": "#0072B2",
  "attack": "#D55E00",
  "hfc": "#009E73",
}
_MARKERS = {"clean_original": "o", "clean_target": "s", "attack": "^", "hfc": "D"}
INK = "#222222"
_DPI = 160


@dataclasses.dataclass(frozen=True)
class Figure:
  """A picture with the words that go with it.

  Args:
    name: the file's stem under figures/.
    title: its heading.
    png: the picture, PNG bytes.
    alt: what it shows and what follows, for who cannot see it.
    caption: how to read it.
  """

  name: str
  title: str
  png: bytes
  alt: str
  caption: str

  @property
  def width(self) -> int:
    """Width on a page in CSS pixels, from the PNG's header: the size at which it was drawn."""
    return int.from_bytes(self.png[16:20], "big") * 96 // _DPI


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


def _middle_slice(images: Array) -> Array:
  """[n, (D,) H, W, C] -> [n, H, W, C]: of a volume the middle slice."""
  return images[:, images.shape[1] // 2] if images.ndim == 5 else images


@default_style()
def example_images(
  clean: Array,
  attacked: Array,
  hidden: Array | None,
  *,
  eps_256: float,
  attack: str = "bim",
  labels: Sequence[str] | None = None,
) -> Figure:
  """Clean, attacked and hidden images with the perturbation magnified.

  Args:
    clean: images in [0, 1], [n, H, W, C] or [n, D, H, W, C]; n of 3 or 4 reads best.
    attacked: the same images under the attack, same shape.
    hidden: the same images under the attack with HFC, same shape; None without one.
    eps_256: the attack's budget in units of 1/256; it becomes black and white.
    attack: the attack's key.
    labels: a short text per image, such as "normal -> pneumonia".
  """
  arms = [("attack", attacked)] + ([] if hidden is None else [("hfc", hidden)])
  volume = clean.ndim == 5
  original = _middle_slice(np.asarray(clean, np.float32))  # [n, H, W, C]
  columns: list[tuple[str, Array]] = [("clean", original)]
  columns += [(arm_label(attack, arm), _middle_slice(np.asarray(x))) for arm, x in arms]
  scale = 256 / (2 * eps_256)  # a change of +-eps spans the grey scale
  for arm, images in arms:
    change = _middle_slice(np.asarray(images, np.float32)) - original
    title = f"change by {arm_label(attack, arm)}\n× {number(scale, 1)}"
    columns.append((title, 0.5 + scale * change))
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
    if labels is not None:
      grid[row, 0].set_ylabel(one_line(labels[row], 26), fontsize=7.5, color=INK)
  largest = [float(np.abs(np.asarray(x) - np.asarray(clean)).max()) * 256 for _, x in arms]
  sizes = ", ".join(
    f"{number(size, 2)}/256 by {arm_label(attack, arm)}"
    for size, (arm, _) in zip(largest, arms, strict=True)
  )
  where = " The middle slice of each volume is shown." if volume else ""
  return Figure(
    name=f"examples_{attack}",
    title=f"Example images, {attack_label(attack)}",
    png=to_png(figure),
    alt=f"{count} images, clean and attacked: at this size they look alike. "
    f"The largest change of any pixel is {sizes}.",
    caption=f"Changes are magnified {number(scale, 1)} times and signed: mid-grey is no change, "
    f"white +{number(eps_256, 2)}/256, black −{number(eps_256, 2)}/256.{where}",
  )


def at_one_target(clean: Taps, arms: Mapping[str, Arm]) -> tuple[int, dict[str, Taps]]:
  """The class that most attacks aim at, and the groups of `feature_map` that belong to it."""
  targets = next(iter(arms.values())).targets
  target = int(np.bincount(targets).argmax())
  reached = {group: arm.taps[arm.success & (targets == target)] for group, arm in arms.items()}
  normal = {"clean_original": clean[clean.labels != target],
            "clean_target": clean[clean.labels == target]}  # fmt: skip
  return target, normal | reached


@default_style()
def feature_map(
  features: Mapping[str, Array],
  *,
  seed: int = 0,
  per_group: int = 200,
  attack: str = "bim",
  layer: str = "the penultimate layer",
) -> Figure:
  """Two-dimensional t-SNE of features, as the papers draw it (MICCAI Fig. 3, TMI Fig. 7).

  Args:
    features: arrays [n, C] under "clean_original", "clean_target", "attack" and "hfc".
    seed: of the subsample and of t-SNE.
    per_group: at most so many points of each group.
    attack: the attack's key.
    layer: the features' layer, for the caption.
  """
  rng = np.random.default_rng(seed)
  drawn = {
    group: x[np.sort(rng.choice(len(x), min(per_group, len(x)), replace=False))]
    for group, x in features.items()
    if len(x)
  }
  stacked = np.concatenate(list(drawn.values())).astype(np.float32)  # [N, C]
  perplexity = float(min(30, max(1, (len(stacked) - 1) // 3)))
  tsne = manifold.TSNE(perplexity=perplexity, max_iter=600, init="pca", random_state=seed)
  with threadpool_limits(1):  # t-SNE's threads wait for each other far longer than they work
    points = tsne.fit_transform(stacked)  # [N, 2]
  figure = canvas(6.2, 5.4)
  axes = figure.subplots()
  start = 0
  for group, x in drawn.items():
    part = points[start : start + len(x)]
    start += len(x)
    axes.scatter(
      part[:, 0], part[:, 1], s=13, marker=_MARKERS[group], color=COLORS[group], alpha=0.65,
      linewidths=0, label=arm_label(attack, group),
    )  # fmt: skip
  axes.set(xticks=[], yticks=[])
  axes.spines[:].set_color("#CCCCCC")
  figure.legend(loc="outside lower center", ncols=len(drawn), frameon=False, fontsize=9,
                markerscale=1.6)  # fmt: skip
  return Figure(
    name=f"tsne_{attack}",
    title=f"Features, {attack_label(attack)}",
    png=to_png(figure),
    alt="t-SNE of features. " + _distances(drawn, attack),
    caption=f"t-SNE of the features of {layer}, at most {per_group} images a group; "
    "distances between groups are only roughly kept. " + _distances(drawn, attack),
  )


def _distances(drawn: Mapping[str, Array], attack: str) -> str:
  """How far the groups lie from clean target-class images, in units of those images' own gaps."""
  target = drawn.get("clean_target")
  if target is None or len(target) < 2:
    return ""
  search = neighbors.NearestNeighbors(n_neighbors=1).fit(target)
  own = float(np.median(search.kneighbors()[0]))
  parts = [
    f"{np.median(search.kneighbors(drawn[group])[0]) / own:.1f} for {arm_label(attack, group)}"
    for group in ("attack", "hfc")
    if group in drawn and own > 0
  ]
  return (
    "Median distance to the nearest clean image of the target class, before t-SNE, where 1 is "
    f"what these images have among themselves: {', '.join(parts)}."
    if parts
    else ""
  )
