"""Folders and files that somebody else made: listed, opened, and refused in one line."""

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from hfc_tf.errors import InputError

IMAGES = (".jpeg", ".jpg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm")


def require_folder(path: Path, contents: str) -> None:
  """Raises InputError unless `path` is a folder that holds something."""
  if not path.is_dir():
    found = f"a file at {path}" if path.exists() else f"nothing at {path}"
    raise InputError(f"a folder with {contents}", found, "check --data_dir")
  if not visible(path):
    raise InputError(f"a folder with {contents}", f"{path}, empty", "check --data_dir")


def visible(path: Path) -> list[Path]:
  """Entries of a folder in sorted order, without hidden ones (.DS_Store, ._x)."""
  with readable("a readable folder", path, "check its permissions"):
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))


def class_folders(data_dir: Path, contents: str) -> list[Path]:
  """The sub-folders, one for each class, in sorted order."""
  require_folder(data_dir, contents)
  classes = [path for path in visible(data_dir) if path.is_dir()]
  if not classes:
    raise InputError(f"{contents} in {data_dir}", "no sub-folder", "check --data_dir")
  return classes


def image_files(path: Path) -> list[Path]:
  """The visible image files in a folder, in sorted order."""
  return [file for file in visible(path) if file.suffix.lower() in IMAGES and file.is_file()]


@contextlib.contextmanager
def readable(
  expected: str, path: Path, remedy: str = "replace or remove the file"
) -> Iterator[None]:
  """Whatever a reader stumbles over in a damaged file becomes one line that names the file."""
  try:
    yield
  except InputError:
    raise
  except Exception as error:
    empty = path.is_file() and not path.stat().st_size
    reason = "zero bytes long" if empty else getattr(error, "strerror", None) or str(error)
    found = f"{getattr(error, 'filename', None) or path}: {reason[:200] or type(error).__name__}"
    raise InputError(expected, found, remedy) from None


def package(name: str, extra: str) -> ModuleType:
  """Imports an optional package, or says in one line which extra brings it."""
  try:
    return importlib.import_module(name)
  except ImportError as error:
    remedy = f"install the extra: pip install 'hfc_tf[{extra}]'"
    raise InputError(f"the package {name.split('.')[0]}", str(error), remedy) from None
