"""Who may know whom: experiments and the report both know results, and not one another."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2] / "hfc_tf"


def imported(path):
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
      yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
  ("package", "unknown"),
  [
    ("results", ("hfc_tf.report", "hfc_tf.experiments", "hfc_tf.study", "matplotlib")),
    ("experiments", ("hfc_tf.report", "matplotlib", "jinja2")),
    ("report", ("hfc_tf.experiments.", "hfc_tf.study.study", "hfc_tf.attacks", "hfc_tf.detectors")),
    ("evaluation", ("hfc_tf.report", "hfc_tf.experiments")),
  ],
)
def test_imports(package, unknown):
  for path in (ROOT / package).glob("*.py"):
    registry = {"hfc_tf.experiments.EXPERIMENTS", "hfc_tf.experiments.binary"}
    seen = [name for name in set(imported(path)) - registry if name.startswith(unknown)]
    assert seen == [], (path.name, seen)


def test_a_kind_of_row_has_one_name():
  names = [
    node.name
    for package in ("results", "experiments")
    for path in (ROOT / package).glob("*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.ClassDef) and node.name.endswith("Row")
  ]
  assert len(names) == len(set(names)) > 10 and "Row" not in names
