"""Rules that every source file keeps: nothing that runs data as code, small rooms, one way in."""

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 250
BANNED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
PRIVATE_ATTRIBUTES = {"_keras_history", "_inbound_nodes"}
PRIVATE = re.compile(
  r"keras\.src(\..*)?|(tensorflow|tf)\.python(\.\w+)?|tensorflow\.python\..*"
  r"|sklearn\.(\w+\.)*_\w+(\.\w+)?|.*\.(_keras_history|_inbound_nodes)"
)
BANNED_KEYWORDS = {"allow_pickle": True, "safe_mode": False}
LIBRARY = sorted(p for top in ("hfc_tf", "benchmarks") for p in (ROOT / top).rglob("*.py"))
BINARIES = sorted(p for p in (ROOT / "bin").iterdir() if p.is_file())
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def dangers(source: str) -> Iterator[str]:
  """Ways in which a file that somebody else made could run code."""
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import | ast.ImportFrom):
      modules = [alias.name for alias in node.names]
      if isinstance(node, ast.ImportFrom):
        modules.append(node.module or "")
      yield from (m for m in modules if BANNED_MODULES & set(m.split(".")))
    elif isinstance(node, ast.Call):
      name = ast.unparse(node.func)
      if name.split(".")[-1] == "enable_unsafe_deserialization":
        yield name
      if name in {"eval", "exec", "builtins.eval", "builtins.exec", "__import__"}:
        yield name
      keywords = {k.arg: k.value for k in node.keywords}
      if name in {"np.load", "numpy.load"} and "allow_pickle" not in keywords:
        yield "np.load without allow_pickle=False"
      for keyword, banned in BANNED_KEYWORDS.items():
        value = keywords.get(keyword)
        if value is not None and not (
          isinstance(value, ast.Constant) and value.value is (not banned)
        ):
          yield f"{keyword}={ast.unparse(value)}"


def flat_imports(source: str, package: tuple[str, ...]) -> Iterator[str]:
  """Imports from hfc_tf itself, rather than from one of its modules, by a module of `package`."""
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names if alias.name == "hfc_tf")
    elif isinstance(node, ast.ImportFrom):
      base = package[: len(package) - node.level + 1] if node.level else ()
      module = ".".join((*base, *([node.module] if node.module else [])))
      if module == "hfc_tf":
        for alias in node.names:
          path = ROOT / "hfc_tf" / alias.name
          if not (path.is_dir() or path.with_suffix(".py").is_file()):
            yield f"{module}.{alias.name}"


def private(source: str) -> Iterator[str]:
  """Names that Keras, TensorFlow and scikit-learn do not promise to keep."""
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      names = [f"{node.module}.{alias.name}" for alias in node.names] if node.level == 0 else []
    elif isinstance(node, ast.Attribute):
      names = [ast.unparse(node)]
    elif isinstance(node, ast.Constant) and node.value in PRIVATE_ATTRIBUTES:
      names = [f".{node.value}"]
    else:
      continue
    yield from (name for name in names if PRIVATE.fullmatch(name))


def offenders(paths: Iterable[Path], rule: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
  """The files that break a rule, each with what breaks it."""
  broken = {relative(path): list(rule(path)) for path in paths}
  return {name: what for name, what in broken.items() if what}


def relative(path: Path) -> str:
  return str(path.relative_to(ROOT))


def test_data_never_runs_as_code() -> None:
  assert offenders(LIBRARY + BINARIES, lambda path: dangers(path.read_text())) == {}


@pytest.mark.parametrize(
  "source",
  [
    "import pickle",
    "from joblib import load",
    "from six.moves import cPickle",
    "eval('1')",
    "exec(text)",
    "np.load(path)",
    "np.load(path, allow_pickle=True)",
    "np.load(path, allow_pickle=flag)",
    "keras.models.load_model(path, safe_mode=False)",
    "keras.config.enable_unsafe_deserialization()",
  ],
)
def test_dangers_are_seen(source: str) -> None:
  assert len(list(dangers(source))) == 1


def test_safe_calls_are_no_dangers() -> None:
  safe = "np.load(p, allow_pickle=False)\nkeras.models.load_model(p, safe_mode=True)\nmodel.eval()"
  assert list(dangers(safe)) == []


def test_files_are_short() -> None:
  lines = {relative(path): path.read_text().count("\n") for path in LIBRARY + BINARIES + TESTS}
  assert {name: count for name, count in lines.items() if count >= MAX_LINES} == {}


def test_the_library_does_not_use_its_flat_api() -> None:
  def imports(path: Path) -> Iterator[str]:
    return flat_imports(path.read_text(), path.relative_to(ROOT).parent.parts)

  assert offenders([p for p in LIBRARY if p != ROOT / "hfc_tf" / "__init__.py"], imports) == {}


def test_private_names_of_others_stay_in_fast() -> None:
  public = [p for p in LIBRARY + BINARIES if ROOT / "hfc_tf" / "fast" not in p.parents]
  assert offenders(public, lambda path: private(path.read_text())) == {}


@pytest.mark.parametrize(
  "source",
  [
    "import keras.src.layers",
    "from keras.src.ops import Function",
    "from tensorflow.python.framework import ops",
    "tf.python.framework",
    "tensor._keras_history",
    "layer._inbound_nodes",
    "getattr(tensor, '_keras_history')",
    "from sklearn.neighbors._kde import KernelDensity",
    "from sklearn import _loss",
    "sklearn.utils._testing.ignore_warnings",
  ],
)
def test_private_names_are_seen(source: str) -> None:
  assert any(private(source))


def test_public_names_are_not_private() -> None:
  source = (
    "import keras\nfrom sklearn.svm import SVC\nfrom hfc_tf.study._x import y\nself._keras = 1"
  )
  assert list(private(source)) == []


@pytest.mark.parametrize(
  ("source", "package"),
  [
    ("import hfc_tf", ("hfc_tf",)),
    ("from hfc_tf import TappedModel", ("hfc_tf",)),
    ("from . import TappedModel", ("hfc_tf",)),
    ("from .. import TappedModel", ("hfc_tf", "attacks")),
  ],
)
def test_flat_imports_are_seen(source: str, package: tuple[str, ...]) -> None:
  assert len(list(flat_imports(source, package))) == 1


@pytest.mark.parametrize(
  ("source", "package"),
  [
    ("from hfc_tf.errors import InputError", ("hfc_tf",)),
    ("from hfc_tf import attacks", ("hfc_tf",)),
    ("from .. import errors", ("hfc_tf", "attacks")),
    ("from . import bim", ("hfc_tf", "attacks")),
  ],
)
def test_imports_of_modules_are_fine(source: str, package: tuple[str, ...]) -> None:
  assert list(flat_imports(source, package)) == []


def test_binaries_start_as_commands() -> None:
  assert "bin/run_attack" in [relative(path) for path in BINARIES]
  first = "#!/usr/bin/env python3\n"
  plain = (p for p in BINARIES if not (os.access(p, os.X_OK) and p.read_text().startswith(first)))
  assert list(map(relative, plain)) == []
