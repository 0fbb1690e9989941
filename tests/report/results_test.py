import csv
import dataclasses
import json
import os
import pathlib

import numpy as np
import pytest

from hfc_tf import files
from hfc_tf.errors import InputError
from hfc_tf.report import results


@dataclasses.dataclass
class Row:
  detector: str
  auc: float | None


def test_nan_becomes_null_and_numpy_plain(tmp_path):
  written = results.write_results(
    tmp_path,
    {"config": {"eps": np.float32(4), "out": pathlib.Path("a/b"), "attack": ("bim", "pgd")},
     "timing": {"total": float("inf")}},
    [Row("kd", float("nan")), Row("maha", np.float64(0.25))],
  )  # fmt: skip
  text = (tmp_path / "results.json").read_text()
  assert "NaN" not in text and "Infinity" not in text
  assert json.loads(text) == written
  assert written["schema"] == {"name": "detection", "version": 1}
  assert written["rows"] == [{"detector": "kd", "auc": None}, {"detector": "maha", "auc": 0.25}]
  assert written["timing"] == {"total": None}
  assert json.loads((tmp_path / "config.json").read_text()) == {
    "eps": 4.0, "out": "a/b", "attack": ["bim", "pgd"],
  }  # fmt: skip


def test_csv_has_every_column_once(tmp_path):
  results.write_results(tmp_path, {}, [{"a": 1, "b": float("nan")}, {"a": 2, "c": "x,y"}])
  with open(tmp_path / "results.csv", newline="") as file:
    assert list(csv.DictReader(file)) == [
      {"a": "1", "b": "", "c": ""}, {"a": "2", "b": "", "c": "x,y"},
    ]  # fmt: skip


def test_a_name_that_is_no_text_survives(tmp_path):
  name = os.fsdecode(b"scan\xff.png")
  results.write_results(tmp_path, {"config": {"data_dir": name}}, [])
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
  with pytest.raises(InputError, match="output folder"):
    files.write_files(tmp_path / "out", {"a.txt": b""})


@pytest.mark.parametrize("text", ["=1+2", "+1", "-rf", "@SUM(A1)", "\t=1"])
def test_no_cell_is_a_formula(tmp_path, text):
  results.write_results(tmp_path, {}, [{"model": text, "auc": -0.5}])
  with open(tmp_path / "results.csv", newline="") as file:
    assert next(csv.DictReader(file)) == {"model": f"'{text}", "auc": "-0.5"}
  assert json.loads((tmp_path / "results.json").read_text())["rows"][0]["model"] == text
