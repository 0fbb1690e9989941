import csv
import dataclasses
import html
import html.parser
import itertools
import json
import re
import shlex

import pytest
from absl import flags

from hfc_tf.commands.flags import define
from hfc_tf.errors import InputError
from hfc_tf.report import write
from hfc_tf.report.figures import Figure
from hfc_tf.report.page import command, page_files
from hfc_tf.report.results import plain
from hfc_tf.results.result import Result, Section, Table, read_section
from hfc_tf.study.config import Config

STRANGE = "<script>alert(1)</script>"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (800).to_bytes(4, "big")
FIGURE = Figure("curve", "Curve", f"falls {STRANGE}", "caption", png=PNG)
TABLE = Table("AUC, percent", ("Detector", "AUC"), [("KD", "97.0"), (STRANGE, "50.0")], "a note")
VOID = {"meta", "img", "br"}


def results(**more):
  return {
    "schema": {"name": "tsne", "version": 1},
    "config": {"dataset": "chest", "eps_256": 4.0, "hfc": True, "attacks": ["bim"], "seed": 3},
    "data": {"name": "chest", "source": "synthetic", "image_size": 64},
    "classifier": {"name": "small_resnet", "auc": 0.98},
    "warnings": [f"Beware of {STRANGE}", "two", "three", "four", "five"],
    **more,
  }


@dataclasses.dataclass
class Settings:
  out: str
  dataset: str = "chest"
  eps_256: float = 4.0
  hfc: bool = True
  attacks: tuple[str, ...] = ("bim",)
  seed: int = 3


def result(out, rows, given=None, **shown):
  summary = {key: value for key, value in (given or results()).items()
             if key not in ("schema", "config")}  # fmt: skip
  return Result(name="tsne", config=Settings(str(out)), rows=rows, summary=summary, **shown)


class Reader(html.parser.HTMLParser):
  """Notes the tags of a page and checks that they nest."""

  def __init__(self):
    super().__init__()
    self.open, self.tags = [], []

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))
    if tag not in VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag


def read(page):
  reader = Reader()
  reader.feed(page)
  assert reader.open == []
  return reader.tags


def text(page):
  return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.split("</style>")[1])).split())


def one(out):
  rows = [{"detector": "kd", "auc": 0.97}, {"detector": "bu", "auc": float("nan"), "n": 3}]
  written = write(result(
    out, rows, title="A title", lead=["It holds.", "Twice."], tables=[TABLE],
    figures=[FIGURE], notes=["made thus"],
  ))  # fmt: skip
  return written, (out / "report.html").read_text()


def several(out):
  sections = [
    Section(title="First", lead=["One."], tables=[TABLE], figures=[FIGURE], notes=["note 1"],
            command="bin/run_tsne"),
    Section(title="Second", lead=["Two."], figures=[FIGURE]),
  ]  # fmt: skip
  write(result(out, [], title="All", sections=sections))
  return (out / "report.html").read_text()


def test_files(tmp_path):
  returned, _ = one(tmp_path)
  written = json.loads((tmp_path / "results.json").read_text())
  assert written == returned and written["schema"]["name"] == "tsne"
  assert written["rows"] == [
    {"detector": "kd", "auc": 0.97}, {"detector": "bu", "auc": None, "n": 3},
  ]  # fmt: skip
  with open(tmp_path / "results.csv") as file:
    assert list(csv.DictReader(file))[1] == {"detector": "bu", "auc": "", "n": "3"}
  assert json.loads((tmp_path / "config.json").read_text())["seed"] == 3
  assert (tmp_path / "figures" / "curve.png").read_bytes() == PNG


@pytest.mark.parametrize("make", [lambda out: one(out)[1], several], ids=["one", "several"])
def test_page_is_safe_and_can_be_read_aloud(tmp_path, make):
  page = make(tmp_path)
  tags = read(page)
  assert STRANGE not in page and html.escape(STRANGE) in page
  assert "url(" not in page and "@import" not in page
  for tag, attributes in tags:
    assert tag not in ("script", "link", "iframe", "object") and "href" not in attributes
    assert attributes.get("src", "data:").startswith("data:")
  levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
  assert levels[0] == 1 and levels.count(1) == 1
  assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
  names = [tag for tag, _ in tags]
  assert names.count("table") == names.count("caption")
  assert all("scope" in attributes for tag, attributes in tags if tag == "th")
  assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
  regions = [attributes for tag, attributes in tags if attributes.get("role") == "region"]
  assert regions and all(region["tabindex"] == "0" for region in regions)


def test_page_says_what_comes_first(tmp_path):
  said = text(one(tmp_path)[1])
  places = [
    said.index(phrase)
    for phrase in (
      "Warning. Beware of", "Synthetic. Every image", "A title (synthetic)", "small ResNet",
      "It holds. Twice.", "Synthetic. AUC, percent", "KD 97.0", "a note", "Curve",
      "How this page was made", "--dataset=chest --eps=4.0 --hfc --attack=bim",
      "made thus", "Configuration",
    )
  ]  # fmt: skip
  assert places == sorted(places)


def test_a_class_and_a_picture_are_escaped(tmp_path):
  write(result(tmp_path, [{"attack": STRANGE}], results(classifier={"name": STRANGE}), title="T",
               figures=[FIGURE]))  # fmt: skip
  page = (tmp_path / "report.html").read_text()
  assert STRANGE not in page and f'alt="falls {html.escape(STRANGE)}"' in page
  assert [a["width"] for tag, a in read(page) if tag == "img"] == ["480"]
  assert page.count("<b>Synthetic.</b>") == 2  # the notice and the picture's caption


def test_a_picture_without_words_is_told_by_the_finding(tmp_path):
  figure = dataclasses.replace(FIGURE, alt="")
  write(result(tmp_path, [], title="T", lead=["It holds.", "Twice."], figures=[figure, FIGURE]))
  shown = [a["alt"] for tag, a in read((tmp_path / "report.html").read_text()) if tag == "img"]
  assert shown == ["It holds. Twice.", FIGURE.alt]


def test_results_and_page_are_the_same_twice(tmp_path):
  first, _ = one(tmp_path)
  names = ("results.json", "results.csv", "config.json", "section.json")
  before = {name: (tmp_path / name).read_bytes() for name in names}
  assert one(tmp_path)[0] | {"environment": 0} == first | {"environment": 0}
  before.pop("results.json")  # it holds the memory that this process took
  assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_real_images_are_not_called_synthetic(tmp_path):
  real = results(data={"name": "chest", "source": "directory"})
  write(result(tmp_path, [], real, title="T", tables=[TABLE], figures=[FIGURE]))
  assert "ynthetic" not in (tmp_path / "report.html").read_text()


def test_sections_have_headings_and_commands_and_files_of_their_own(tmp_path):
  said = text(several(tmp_path))
  places = [said.index(w) for w in ("All (synthetic)", "First", "note 1", "bin/run_tsne", "Second")]
  assert places == sorted(places)
  assert {p.name for p in (tmp_path / "figures").iterdir()} == {"1_curve.png", "2_curve.png"}


def test_a_section_comes_back_from_its_folder(tmp_path):
  one(tmp_path)
  section = read_section(tmp_path)
  assert (section.title, section.lead, section.notes) == (
    "A title", ["It holds.", "Twice."], ["made thus"],
  )  # fmt: skip
  assert section.figures == [FIGURE] and section.command.startswith("bin/run_tsne --out=")
  assert section.tables[0].rows == [list(row) for row in TABLE.rows]
  files = page_files({**results(), "rows": []}, [section, section], "Twice")
  assert "KD" in text(files["report.html"].decode())


@pytest.mark.parametrize("damage", ["section.json", "figures/curve.png"])
def test_a_missing_section_is_one_line(tmp_path, damage):
  one(tmp_path)
  (tmp_path / damage).unlink()
  with pytest.raises(InputError, match="run it again"):
    read_section(tmp_path)
  (tmp_path / "section.json").write_text("[")
  with pytest.raises(InputError, match="run it again"):
    read_section(tmp_path)


def test_commands_have_the_names_of_flags():
  assert command(results()) == (
    "bin/run_tsne --dataset=chest --eps=4.0 --hfc --attack=bim --seed=3"
  )
  detection = {"schema": {"name": "detection"}, "config": {"hfc_weights": ["1", "auto"]}}
  assert command(detection) == "bin/run_attack --hfc_weight=1,auto"


@pytest.mark.parametrize("changes", [
  {}, {"hfc": True}, {"hfc": True, "hfc_weights": ("1",)}, {"distribute": "ray", "workers": 2},
  {"model_path": __file__, "preprocessing": "tf"},
  {"dataset": "brain", "data_dir": "/", "depth": 8, "window": ("40", "80")},
])  # fmt: skip
def test_the_command_of_a_page_is_one_that_can_be_given(changes):
  config = Config(**changes).resolved()
  values = flags.FlagValues()
  make = define(values)
  values(shlex.split(command({"config": plain(config)})))
  assert make().resolved() == config


def test_the_command_that_was_given():
  assert command({"command": ["bin/x", "--out=a b"]}) == "bin/x '--out=a b'"
  config = {"dataset": "chest", "hfc": True, "resume": False, "attack": ["bim", "pgd"], "x": None}
  assert command({"config": config}) == (
    "bin/run_attack --dataset=chest --hfc --noresume --attack=bim,pgd"
  )


def test_a_table_is_folded_away_and_rules_without_a_network_are_said(tmp_path):
  check = {"check": "channels differ", "attack": "bim", "eps_256": 4.0, "weight_rule": "paper"}
  given = results(sanity=[{**check, "auc": 1.0}, {**check, "auc": None}])
  folded = dataclasses.replace(TABLE, folded=True)
  write(result(tmp_path, [], given, title="A title", tables=[folded]))
  page = (tmp_path / "report.html").read_text()
  before, opened = page.split("<details>", 1)
  assert "97.0" not in before and "97.0" in opened.split("</details>")[0]
  assert "<summary>AUC, percent</summary>" in opened
  assert "channels differ BIM ε = 4/256 with HFC (paper) 1.00" in text(page)
  assert "with HFC (paper) –" in text(page) and read(page)
