import html
import html.parser
import itertools
import json
import re

import pytest

from hfc_tf.report.figures import Figure
from hfc_tf.report.page import command, report_files
from hfc_tf.report.results import completed, write_run
from hfc_tf.report.rows import Rows
from hfc_tf.report.tables import beside_the_papers, detection_table
from hfc_tf.report.verdict import verdict

VOID = {"meta", "img", "br", "link", "input", "hr"}
STRANGE = "<script>alert(1)</script>"


def row(detector, area, *, attack="bim", hfc=False, rule=None, weight=0.0, population="successful",
        adv_acc=0.99, **more):  # fmt: skip
  low, high = (None, None) if area is None else (max(0, area - 0.02), min(1, area + 0.02))
  return {
    "attack": attack, "hfc": hfc, "hfc_weight": weight, "weight_rule": rule, "eps_256": 4.0,
    "step_size_256": 0.2, "steps": 40, "detector": detector, "population": population,
    "auc": area, "auc_low": low, "auc_high": high, "auc_within_class": area,
    "auc_within_class_low": low, "auc_within_class_high": high, "auc_two_sided": area,
    "auc_within_class_two_sided": None if area is None else max(area, 1 - area),
    "tpr_at_90_tnr": area, "adv_acc": adv_acc, "adv_acc_low": adv_acc - 0.02,
    "adv_acc_high": adv_acc, "adv_acc_8bit": adv_acc, "n_adversarial": 90, "n_clean": 100, **more,
  }  # fmt: skip


def rows():
  found = []
  for population in ("successful", "both_arms"):
    for detector, plain, paper, auto in [("kd", 0.97, 0.7, 0.75), ("maha", 1.0, 0.02, 0.2)]:
      found += [
        row(detector, plain, population=population),
        row(detector, paper, hfc=True, rule="paper", weight=1.0, population=population,
            adv_acc=0.854),
        row(detector, auto, hfc=True, rule="auto", weight=0.3, population=population,
            adv_acc=0.961),
      ]  # fmt: skip
  return found


def results(**more):
  return {
    "config": {"dataset": "chest", "hfc": True, "attack": ["bim"], "seed": 3, "data_dir": STRANGE},
    "data": {"name": "chest", "source": "synthetic", "image_size": 64},
    "classifier": {"name": STRANGE, "auc": 0.98, "accuracy": 0.95},
    "warnings": [f"This model may have been trained on AdvTest: {STRANGE}"],
    **more,
  }


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (800).to_bytes(4, "big")
FIGURE = Figure("roc_bim", "ROC", PNG, "MAHA falls <b>", "caption")


def write(out, given, lines, figures=(), notes=()):
  complete = completed(given, lines)
  write_run(out, complete, report_files(complete, figures, notes))


@pytest.fixture
def page(tmp_path):
  write(tmp_path, results(), rows(), [FIGURE], ["n"])
  assert (tmp_path / "figures" / "roc_bim.png").read_bytes() == FIGURE.png
  return (tmp_path / "report.html").read_text()


class Reader(html.parser.HTMLParser):
  """Notes the tags of a page and checks that they nest."""

  def __init__(self):
    super().__init__()
    self.open, self.tags, self.ids = [], [], []

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


def test_page_needs_nothing_from_elsewhere(page):
  for tag, attributes in read(page):
    assert tag not in ("script", "link", "iframe", "object")
    assert attributes.get("src", "data:").startswith("data:")
    assert "href" not in attributes
  assert "url(" not in page and "@import" not in page


def test_what_strangers_named_is_escaped(page):
  assert STRANGE not in page
  assert html.escape(STRANGE) in page
  assert 'alt="MAHA falls &lt;b&gt;"' in page


def test_page_can_be_read_aloud(page):
  tags = read(page)
  assert next(attributes for tag, attributes in tags if tag == "html")["lang"] == "en"
  levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
  assert levels[0] == 1 and levels.count(1) == 1
  assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
  names = [tag for tag, _ in tags]
  assert names.count("table") == names.count("caption")
  assert all("scope" in attributes for tag, attributes in tags if tag == "th")
  assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")


def test_pictures_have_the_size_at_which_they_were_drawn(page):
  assert [a["width"] for tag, a in read(page) if tag == "img"] == ["480"]


def test_warning_comes_first_then_synthetic(page):
  said = text(page)
  assert said.startswith("Warning. This model may have been trained on AdvTest")
  assert said.index("Synthetic.") < said.index("Detecting adversarial chest X-rays (synthetic)")
  assert page.count("<caption><b>Synthetic.</b>") == 4


def test_real_data_are_not_called_synthetic(tmp_path):
  data = {"name": "chest", "source": "directory"}
  write(tmp_path, results(data=data), rows())
  assert "ynthetic" not in (tmp_path / "report.html").read_text()


def test_page_without_rows(tmp_path):
  write(tmp_path, {}, [])
  assert "There are no rows to report." in (tmp_path / "report.html").read_text()


def test_verdict():
  sentences = verdict(Rows(rows()))
  assert sentences[0].startswith("Without HFC, 2 of 2 detectors tell images attacked by BIM")
  assert sentences[1] == (
    "With HFC at the papers’ weight (1), none does: AUCs run from 2\u202f% (MAHA) to 70\u202f% "
    "(KD), and 85\u202f% of the attacked images reach their target."
  )
  assert "MAHA would still give the attack away" in sentences[2]
  assert sentences[3].startswith("With HFC at the automatic weight (0.3), none does")
  assert len(sentences) == 4  # MAHA at 20 % does not give it away


def test_verdict_hides_no_failure():
  weak = [
    row("kd", 0.6), row("bu", 0.96),
    row("kd", 0.97, hfc=True, weight=0.5, adv_acc=0.2),
    row("bu", 0.5, hfc=True, weight=0.5, adv_acc=0.2),
  ]  # fmt: skip
  plain, hidden, seen = verdict(Rows(weak))
  assert plain.startswith("Without HFC, 1 of 2 detectors")
  assert seen == ("At this weight HFC does not hide from KD (97.0\u202f%): an AUC above 75\u202f%.")
  assert hidden.startswith("With HFC at weight 0.5, 1 still do")
  assert "only 20\u202f% of the attacked images" in hidden


def test_verdict_names_whom_hfc_does_not_hide_from():
  two = [
    row(name, area, hfc=True, rule="paper", weight=1, attack=attack)
    for attack, areas in (("bim", (0.8, 0.76, 0.75)), ("pgd", (0.7, 0.9, 0.1)))
    for name, area in zip(("kd", "hfc_score", "maha"), areas, strict=True)
  ]
  told = [sentence for sentence in verdict(Rows(two)) if "does not hide" in sentence]
  assert told == ["At this weight HFC does not hide from HFC score (90.0\u202f%) and KD "
                  "(80.0\u202f%): an AUC above 75\u202f%."]  # fmt: skip


def test_verdict_over_attacks_gives_the_span():
  two = [row("kd", 0.99), row("bu", 0.99), row("kd", 0.99, attack="pgd"),
         row("bu", 0.5, attack="pgd")]  # fmt: skip
  assert verdict(Rows(two))[0].startswith("Without HFC, 1 to 2 of 2 detectors tell images attacked "
                                          "by BIM and PGD")  # fmt: skip


def test_attack_that_reached_nothing():
  nothing = [row("kd", None, adv_acc=0.02), row("kd", None, hfc=True, weight=1, adv_acc=0.02)]
  sentences = verdict(Rows(nothing))
  assert "reached no target" in sentences[0] and "no target was reached" in sentences[1]


def test_table_pairs_without_and_with():
  table = detection_table(Rows(rows()), "successful", "auto")
  kd = table["body"][0]["cells"][0]
  assert (kd.without, kd.with_hfc, kd.interval) == ("97.0", "75.0", "95–99 → 73–77")
  assert table["columns"][0]["adv_acc"].startswith("99.0\u202f% [97–99] → 96.1\u202f%")


def test_table_prefers_the_row_paired_with_its_arm():
  paired = [
    row("kd", 0.9, rule="paper", population="both_arms"),
    row("kd", 0.8, rule="auto", population="both_arms"),
    row("kd", 0.2, rule="paper", weight=1, hfc=True, population="both_arms"),
    row("kd", 0.3, rule="auto", weight=0.3, hfc=True, population="both_arms"),
  ]
  cell = detection_table(Rows(paired), "both_arms", "auto")["body"][0]["cells"][0]
  assert (cell.without, cell.with_hfc) == ("80.0", "30.0")


def test_published_figures_stand_beside_ours():
  published = beside_the_papers(Rows(rows()), "chest")
  (bim,) = published["tables"]
  assert [head["name"] for head in bim["heads"]] == [
    "MICCAI 2021, Table 2", "TMI, Table V", "Here", "Here",
  ]  # fmt: skip
  maha = bim["body"][1]["cells"]
  assert (maha[0].without, maha[0].with_hfc) == ("100.0", "0.0")
  assert (maha[4].without, maha[4].with_hfc) == ("100.0", "2.0")
  assert beside_the_papers(Rows(rows()), "folder")["tables"] == []


def test_command():
  assert command({"command": ["bin/x", "--out=a b"]}) == "bin/x '--out=a b'"
  config = {"dataset": "chest", "hfc": True, "resume": False, "attack": ["bim", "pgd"], "x": None}
  assert command({"config": config}) == (
    "bin/run_attack --dataset=chest --hfc --noresume --attack=bim,pgd"
  )


def test_results_and_page_are_the_same_twice(tmp_path):
  for name in ("a", "b"):
    write(tmp_path / name, results(), rows(), [FIGURE])
  for file in ("results.json", "results.csv", "config.json", "report.html"):
    assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
  assert json.loads((tmp_path / "a" / "results.json").read_text())["rows"] == rows()
