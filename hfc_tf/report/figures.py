"""What every picture shares: canvas, style, PNG.

Drawn on matplotlib's Agg canvas without pyplot and with matplotlib's own settings, so that nothing
global changes and no matplotlibrc changes a picture. The colours are
Okabe and Ito's (https://jfly.uni-koeln.de/color/), told apart by line style and marker as well.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Iterator

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from hfc_tf.results.figures import Chart

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


def drawn(chart: Chart, figure: Canvas) -> Figure:
  """The picture of a chart with the chart's texts."""
  return Figure(chart.name, chart.title, to_png(figure), chart.alt, chart.caption)
