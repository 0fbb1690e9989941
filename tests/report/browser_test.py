"""Pages in a real browser: Chromium at the widths of a desk and of a phone, light and dark."""

import dataclasses
import importlib.util
import os
import pathlib
import shutil

import numpy as np
import pytest

from hfc_tf.report import write
from hfc_tf.results.figures import ImageGrid, Line, LineChart, look
from hfc_tf.results.result import Result, Section, Table

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), "")
SCREENSHOTS = pathlib.Path(os.environ.get("SCREENSHOTS", "build/screenshots"))
pytestmark = [
  pytest.mark.slow,
  pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
  pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("playwright", "axe_playwright_python"))),
    reason="the packages playwright and axe-playwright-python are not installed",
  ),
]


@dataclasses.dataclass
class Settings:
  out: str
  dataset: str = "chest"
  eps_256: float = 4.0
  hfc: bool = True
  attacks: tuple[str, ...] = ("bim",)
  seed: int = 0


def shown():
  """What a page may hold: a cover, a wide table, a folded one, long texts and names."""
  rng = np.random.default_rng(0)
  detectors = ["KD", "MAHA", "LID", "SVM", "DNN", "BU", "kNN", "Squeezing", "a" * 40]
  lines = [
    Line(group, range(9), rng.uniform(0, 100, 9), look(group)[0], "", look(group)[2])
    for group in ("attack", "paper", "balanced")
  ]
  charts = [
    LineChart(f"chart_{n}", f"Areas, number {n}", f"alt {n}", "caption", lines=lines, level=50,
              ends=("looks too normal", "caught"), x_ticks=dict(enumerate(detectors)))
    for n in range(5)
  ]  # fmt: skip
  images = rng.uniform(0, 1, (1, 24, 24, 1))
  columns = [("clean", images), ("attacked", images), ("change", images)]
  grid = ImageGrid("examples", "Example images", "alt", "caption", columns=columns)
  wide = Table("AUC / two-sided", ["Attack", "HFC", *detectors], [
    ["BIM", form, *["99.8 / 99.8 [97–100]"] * len(detectors)] for form in ("–", "balanced")
  ], "a note")  # fmt: skip
  folded = dataclasses.replace(wide, caption="By class", folded=True)
  return {
    "lead": ["BIM moves 100 % of the images to their target. " * 4, "Twice."],
    "tables": [wide, folded], "figures": [grid, *charts], "cover": 2, "notes": ["made thus"],
  }  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
  place = tmp_path_factory.mktemp("pages")
  summary = {
    "data": {"name": "chest", "source": "synthetic", "image_size": 64, "class_names": ["a", "b"]},
    "classifier": {"name": "small_resnet", "auc": 0.98, "accuracy": 0.9,
                   "balanced_accuracy": 0.9, "confusion": [[9, 1], [1, 9]]},
    "warnings": ["Beware of " + "x" * 200], "timing": {"total": 1.0},
  }  # fmt: skip
  for name, sections in (
    ("one", ()), ("several", [Section(title=f"Part {n}", command="x" * 300) for n in range(7)]),
  ):  # fmt: skip
    write(Result(name="tsne", config=Settings(str(place / name)), rows=[], summary=summary,
                 title="Detectors against BIM", sections=sections, **shown()))  # fmt: skip
  return place


@pytest.fixture(scope="module")
def chromium():
  from playwright.sync_api import sync_playwright

  with sync_playwright() as play:
    browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["one", "several"])
def test_a_page_shows_all_of_itself(pages, chromium, name, width, scheme):
  from axe_playwright_python.sync_playwright import Axe

  context = chromium.new_context(
    viewport={"width": width, "height": 1000}, color_scheme=scheme, bypass_csp=True
  )
  page, complaints = context.new_page(), []
  page.on("console", lambda message: complaints.append(message.text))
  page.on("pageerror", lambda error: complaints.append(str(error)))
  page.on("request", lambda request: request.url.startswith(("file:", "data:"))
          or complaints.append(request.url))  # fmt: skip
  page.goto((pages / name / "report.html").as_uri())
  SCREENSHOTS.mkdir(parents=True, exist_ok=True)
  page.screenshot(path=SCREENSHOTS / f"{name}_{width}_{scheme}.png")
  for details in page.query_selector_all("details"):
    details.evaluate("each => each.open = true")
  assert page.evaluate("document.documentElement.scrollWidth") <= width
  sizes = page.eval_on_selector_all("img", "all => all.map(each => each.naturalWidth)")
  assert all(sizes) and len(sizes) == (6 if name == "one" else 0)
  dead = page.eval_on_selector_all(
    "a[href^='#']",
    "all => all.filter(a => !document.getElementById(a.hash.slice(1))).map(a => a.hash)",
  )
  assert dead == [] and page.query_selector("a[href^='#']")
  if width == 390:  # every column of a table is in sight
    hidden = page.eval_on_selector_all(
      ".numbers td", "all => all.filter(c => c.getBoundingClientRect().right > innerWidth).length"
    )
    assert hidden == 0
  assert complaints == []
  audit = Axe().run(page)
  assert audit.violations_count == 0, audit.generate_report()
  context.close()
