import csv
import dataclasses
import json
import os
import pathlib

import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.report import results, write
from hfc_tf.results.result import Result
from hfc_tf.storage import files
from hfc_tf.study.config import Config


@dataclasses.dataclass
class Row:
  detector: str
  auc: float | None


def _write(out, given, rows):
  complete = results.plain({"schema": {"name": "detection"}, **given, "rows": rows})
  results.write_run(out, complete, {})
  return complete


def test_a_run_that_only_reads_artefacts_keeps_the_first_timing(tmp_path):
  seen = []
  for total, seed in ((9.0, 0), (1.0, 0), (2.0, 4)):
    given = Result(name="tsne", title="A", rows=[], config=Config(out=str(tmp_path), seed=seed),
                   summary={"timing": {"total": total}})  # fmt: skip
    seen.append(write(given)["timing"]["total"])
  assert seen == [9.0, 9.0, 2.0]


def test_nan_becomes_null_and_numpy_plain(tmp_path):
  written = _write(
    tmp_path,
    {"config": {"eps": np.float32(4), "out": pathlib.Path("a/b"), "attack": ("bim", "pgd")},
     "timing": {"total": float("inf")}},
    [Row("kd", float("nan")), Row("maha", np.float64(0.25))],
  )  # fmt: skip
  text = (tmp_path / "results.json").read_text()
  assert "NaN" not in text and "Infinity" not in text
  assert json.loads(text) == written
  assert written["rows"] == [{"detector": "kd", "auc": None}, {"detector": "maha", "auc": 0.25}]
  assert written["timing"] == {"total": None}
  assert json.loads((tmp_path / "config.json").read_text()) == {
    "eps": 4.0, "out": "a/b", "attack": ["bim", "pgd"],
  }  # fmt: skip


def test_csv_has_every_column_once(tmp_path):
  _write(tmp_path, {}, [{"a": 1, "b": float("nan")}, {"a": 2, "c": "x,y"}])
  with open(tmp_path / "results.csv", newline="") as file:
    assert list(csv.DictReader(file)) == [
      {"a": "1", "b": "", "c": ""}, {"a": "2", "b": "", "c": "x,y"},
    ]  # fmt: skip


def test_csv_holds_lists_as_json_text(tmp_path):
  _write(tmp_path, {}, [{"by_class": [{"label": 0, "auc": np.float64(0.5)}]}])
  with open(tmp_path / "results.csv", newline="") as file:
    (line,) = csv.DictReader(file)
  assert json.loads(line["by_class"]) == [{"label": 0, "auc": 0.5}]


def test_a_name_that_is_no_text_survives(tmp_path):
  name = os.fsdecode(b"scan\xff.png")
  _write(tmp_path, {"config": {"data_dir": name}}, [])
  assert json.loads((tmp_path / "config.json").read_text()) == {"data_dir": name}


def test_nothing_is_left_half_written(tmp_path, monkeypatch):
  (tmp_path / "a.txt").write_bytes(b"old")

  def full(*_):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(os, "fsync", full)
  with pytest.raises(InputError, match="No space left on device"):
    files.write_files(tmp_path, {"a.txt": b"new", "b.txt": b"new"})
  assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.txt": b"old"}


def test_a_file_where_the_folder_should_be(tmp_path):
  (tmp_path / "out").write_text("")
  with pytest.raises(InputError, match="folder that can be written"):
    files.write_files(tmp_path / "out", {"a.txt": b""})


@pytest.mark.parametrize("text", ["=1+2", "+1", "-rf", "@SUM(A1)", "\t=1"])
def test_no_cell_is_a_formula(tmp_path, text):
  _write(tmp_path, {}, [{"model": text, "auc": -0.5}])
  with open(tmp_path / "results.csv", newline="") as file:
    assert next(csv.DictReader(file)) == {"model": f"'{text}", "auc": "-0.5"}
  assert json.loads((tmp_path / "results.json").read_text())["rows"][0]["model"] == text


def test_a_run_takes_the_place_of_another_as_a_whole(tmp_path, caplog):
  caplog.set_level("WARNING")
  first = {"schema": {"name": "detection"}, "config": {"seed": 1}, "rows": [{"a": 1}]}
  more = {"figures/old.png": b"png", "section.json": b"{}", "split.json": b"{}"}
  results.write_run(tmp_path, first, {**more, "asked.json": b"", "figures/both.png": b"1"})
  results.write_run(tmp_path, first, {**more, "figures/both.png": b"2"})
  assert not caplog.records and not (tmp_path / "asked.json").exists()
  (tmp_path / "figures" / ".unfinished-old.png~nowhere~1~0").write_bytes(b"half")
  (tmp_path / "notes.txt").write_text("the user's")
  second = {"schema": {"name": "layers"}, "config": {"seed": 1}, "rows": []}
  results.write_run(tmp_path, second, {"figures/new.png": b"png", "report.html": b"<p>"})
  assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
    "results.json", "results.csv", "config.json", "report.html", "figures/new.png", "notes.txt",
  }  # fmt: skip
  assert "held other results (of detection)" in caplog.text
  (tmp_path / "results.json").write_text("{")
  results.write_run(tmp_path, second, {})
  assert "results.json is damaged" in caplog.text
  assert json.loads((tmp_path / "results.json").read_text()) == second
