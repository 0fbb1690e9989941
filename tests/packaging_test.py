"""The promises of README, pyproject.toml, BUILD and .ci/run against the files that are there."""

import ast
import dataclasses
import fnmatch
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import hfc_tf
from hfc_tf.lazy import load
from hfc_tf.study.config import Config

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DISTRIBUTIONS = {
  "PIL": "pillow",
  "art": "adversarial-robustness-toolbox",
  "absl": "absl-py",
  "sklearn": "scikit-learn",
  "tensorflow_datasets": "tensorflow-datasets",
  "tensorflow_probability": "tensorflow-probability",
  "tf_keras": "tf-keras",
}


def code_blocks(language: str, path: str = "README.md") -> list[str]:
  return re.findall(rf"```{language}\n(.*?)```", (ROOT / path).read_text(), re.DOTALL)


def set_up_commands() -> list[str]:
  lines = "".join(code_blocks("bash")).splitlines()
  return [line for line in lines if line.startswith("python3 -m venv")]


def build_targets(root: Path) -> dict[str, dict[str, dict[str, Any]]]:
  """Runs BUILD (Starlark, here also Python) with rules that only write down their arguments."""
  rules = ("py_library", "py_binary", "py_test", "genrule", "filegroup")
  targets: dict[str, dict[str, dict[str, Any]]] = {rule: {} for rule in rules}

  def rule(kind: str) -> Any:
    return lambda **arguments: targets[kind].update({arguments["name"]: arguments})

  def glob(include: list[str], exclude: tuple[str, ...] = ()) -> list[str]:
    def match(patterns: list[str] | tuple[str, ...]) -> set[Path]:
      # A closing ** means files to Bazel, folders to pathlib.
      paths = (p for pattern in patterns for p in root.glob(re.sub(r"\*\*$", "**/*", pattern)))
      return {p for p in paths if p.is_file()}

    return sorted(str(p.relative_to(root)) for p in match(include) - match(exclude))

  scope: dict[str, Any] = {kind: rule(kind) for kind in rules}
  scope |= {"glob": glob, "load": lambda *_: None, "package": lambda **_: None}
  exec((root / "BUILD").read_text(), scope)
  return targets


def names(folder: str, pattern: str) -> set[str]:
  files = (p for p in (ROOT / folder).rglob(pattern) if p.is_file())
  return {str(p.relative_to(ROOT)) for p in files if "__pycache__" not in p.parts}


def test_build_has_a_binary_per_executable() -> None:
  targets = build_targets(ROOT)
  executables = {p.removeprefix("bin/") for p in names("bin", "*")}
  assert set(targets["py_binary"]) == executables
  for name in executables:
    binary = targets["py_binary"][name]
    assert binary["main"] in binary["srcs"]
    copy = targets["genrule"][name + "_main"]
    assert (copy["srcs"], copy["outs"]) == ([f"bin/{name}"], [binary["main"]])


def test_pip_installs_a_command_per_executable() -> None:
  scripts = PROJECT["project"]["scripts"]
  assert {f"bin/{name}" for name in scripts} == names("bin", "*") - {"bin/benchmark"}
  for name, place in scripts.items():
    assert load(place).__name__ == name
    text = (ROOT / "bin" / name).read_text()
    assert f"from {place.split(':')[0]} import {name}\n" in text and text.endswith(f"  {name}()\n")


def test_build_has_a_test_per_test_file() -> None:
  tests = build_targets(ROOT)["py_test"]
  assert {name + ".py" for name in tests} == names("tests", "*_test.py")
  for name, target in tests.items():
    assert target["args"] == [name + ".py"] and target["main"] in target["srcs"]
    assert (ROOT / target["main"]).is_file()


def test_files_with_tests_are_found_by_name() -> None:
  with_tests = {
    path
    for path in names("tests", "*.py")
    if re.search(r"^(?:  )?def test_", (ROOT / path).read_text(), re.MULTILINE)
  }
  assert "tests/packaging_test.py" in with_tests
  assert with_tests == names("tests", "*_test.py")


def test_build_ships_every_file_of_the_library() -> None:
  library = build_targets(ROOT)["py_library"]["hfc_tf"]
  assert set(library["srcs"]) | set(library["data"]) == names("hfc_tf", "*")


def test_wheel_ships_every_file_of_the_library() -> None:
  patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
  folders = {Path(path).parent for path in names("hfc_tf", "__init__.py")}
  for path in map(Path, names("hfc_tf", "*")):
    assert path.parent in folders, f"{path} is in no package: its folder lacks __init__.py"
    assert path.suffix == ".py" or any(fnmatch.fnmatch(path.name, p) for p in patterns), path


def test_every_import_is_declared() -> None:
  extras = PROJECT["project"]["optional-dependencies"]
  requirements = [
    *PROJECT["project"]["dependencies"],
    *(item for name, items in extras.items() if name != "test" for item in items),
  ]
  assert all(re.search("[>=]=", requirement) for requirement in requirements)
  declared = {re.split("[>~=<]", requirement)[0] for requirement in requirements}
  local = {"hfc_tf", "benchmarks"}
  seen = set()
  for path in names("hfc_tf", "*.py") | names("benchmarks", "*.py") | names("bin", "*"):
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
      modules: list[str] = []
      if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
      elif isinstance(node, ast.ImportFrom) and node.level == 0:
        modules = [node.module or ""]
      for module in modules:
        top = module.split(".")[0]
        if top not in sys.stdlib_module_names:
          seen.add(DISTRIBUTIONS.get(top, top))
  assert seen <= declared | local, f"imported, not declared: {seen - declared - local}"
  # TFP imports tf_keras; readers and downloads import extras by name, when they are called for.
  readers = "".join(path.read_text() for path in (ROOT / "hfc_tf/data").glob("*.py"))
  by_name = re.findall(r'(?:_call|package)\("(\w+)', readers)
  # What a peer needs and does not declare, what pydicom looks for, what only tests import.
  indirect = {"tf-keras", "tqdm", "GitPython", "torchattacks", "pyautoattack"}
  indirect |= {"mkdocs-material", "mkdocstrings[python]"}  # of mkdocs.yml
  indirect.add("pylibjpeg[libjpeg,openjpeg,rle]")
  unused = declared - local - seen - indirect - {DISTRIBUTIONS.get(n, n) for n in by_name}
  assert not unused, f"declared, not imported: {unused}"


def test_readme_has_one_command_to_run_and_one_to_test() -> None:
  run, test = set_up_commands()
  assert run.endswith("&& bin/run_attack --dataset=chest --hfc")
  assert test.endswith("&& tests/run_all")
  for command in (run, test):
    assert command.startswith("python3 -m venv .venv && . .venv/bin/activate && pip install -e ")
    for extra in re.findall(r"\.\[(\w+)\]", command):
      assert extra in PROJECT["project"]["optional-dependencies"]


def test_ci_runs_the_readme_command_and_every_other_check() -> None:
  _, test = set_up_commands()
  lines = (ROOT / ".ci" / "run").read_text().splitlines()
  assert "set -euo pipefail" in lines
  assert lines[-4:] == [test, "tests/run_oldest", "tests/run_parity", "tests/run_docs"]


def test_the_oldest_keras_is_tested() -> None:
  script = (ROOT / "tests" / "run_oldest").read_text()
  (pattern,) = re.findall(r"s/(\^.*)/\\1/p", script)
  lines = (ROOT / "pyproject.toml").read_text().splitlines()
  assert len([line for line in lines if re.match(pattern, line)]) == 1
  tests = re.findall(r"tests/\S+_test\.py", script)
  assert tests and all((ROOT / path).is_file() for path in tests)


def test_run_all_runs_every_check() -> None:
  lines = (ROOT / "tests" / "run_all").read_text().splitlines()
  assert "set -euo pipefail" in lines
  for tool in ("ruff check", "mypy", "lint-imports", "python -m pytest"):
    assert any(line.startswith(tool) for line in lines), tool


def test_scripts_are_executable() -> None:
  for path in {*names("tests", "run_*"), ".ci/run"} - names("tests", "*.py"):
    assert os.access(ROOT / path, os.X_OK), path


def test_documents_name_only_flags_that_exist() -> None:
  blocks = [b for path in ("README.md", *names("docs", "*.md")) for b in code_blocks("bash", path)]
  flags = set(re.findall(r"--(?!no)([a-z_]{3,})\b", "".join(blocks)))
  source = "".join((ROOT / p).read_text() for p in names("bin", "*") | names("hfc_tf", "*.py"))
  assert {"dataset", "hfc", "data_dir", "setting"} <= flags
  flags -= {field.metadata["flag"] or field.name for field in dataclasses.fields(Config)}
  assert {flag for flag in flags if f'"{flag}"' not in source} == set()


def test_links_of_the_documents_lead_to_files() -> None:
  for path in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / path).read_text())
    assert [link for link in links if not (ROOT / link).is_file()] == [], path


def test_help_says_the_defaults_that_studies_get() -> None:
  texts = {field.name: field.metadata["help"] for field in dataclasses.fields(Config)}
  drawn, real = Config().resolved(), Config(data_dir=".").resolved()
  large, fundus = Config(image_size=128).resolved(), Config(dataset="fundus").resolved()
  volumes = Config(dataset="volumes", data_dir=".").resolved()
  for name, said in {
    "epochs": f"none: {drawn.epochs if drawn.epochs == real.epochs else '?'}.",
    "tuning_images": f"none: {drawn.tuning_images} on phantoms, else {real.tuning_images}.",
    "components": f"none: {fundus.components} on fundus, else {drawn.components}.",
    "eps_256": f"none: {large.eps_256:g} from 128 px on, else {drawn.eps_256:g}.",
    "steps": f"none: the papers' 2 eps / 0.02, {drawn.steps} at the most.",
    "model": f"None: {drawn.model} on phantoms, else {real.model}, of volumes {volumes.model}.",
    "learning_rate": f"none: {Config(model='vgg16').rate:g} for VGG, "
    f"{Config(model='vgg16', weights='imagenet').rate:g} from --weights, else {real.rate:g}.",
  }.items():
    for plain, short in (("0.0001", "1e-4"), ("5e-05", "5e-5"), ("0.001", "1e-3")):
      said = said.replace(plain, short)
    assert said in texts[name], name


def test_changelog_and_module_tell_the_version() -> None:
  version = hfc_tf.__version__
  assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
  assert f'version = "{version}"' in (ROOT / "MODULE.bazel").read_text()
  assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
