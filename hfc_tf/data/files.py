"""Folders and files that somebody else made: listed, opened, and refused in one line."""

import contextlib
import fnmatch
import importlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from hfc_tf.errors import InputError

IMAGES = (
  ".jfif", ".jpeg", ".jpg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm",
)  # fmt: skip

_MASK = re.compile(r"(.+?)[ _-](?:mask|masks|seg|segmentation|annotation)(?:[ _-]?\d+)?", re.I)
_OF_SYSTEMS = ("__MACOSX", "Thumbs.db", "desktop.ini")


def require_folder(path: Path, contents: str) -> None:
  """Raises InputError unless `path` is a folder that holds something."""
  if not path.is_dir():
    actual = f"a file at {path}" if path.exists() else f"nothing at {path}"
    raise InputError(f"a folder with {contents}", actual, "check --data_dir")
  if not visible(path):
    raise InputError(f"a folder with {contents}", f"{path}, empty", "check --data_dir")


def visible(path: Path) -> list[Path]:
  """Entries of a folder in sorted order, without hidden ones (.DS_Store, ._x) and __MACOSX."""
  with readable("a readable folder", path, "check its permissions"):
    entries = (entry for entry in path.iterdir() if not entry.name.startswith("."))
    return sorted(entry for entry in entries if entry.name not in _OF_SYSTEMS)


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


def image_tree(
  root: Path, exclude: Sequence[str] = (), top: Path | None = None
) -> tuple[list[Path], Counter[str]]:
  """The image files in a folder and below it, and what is left out: reason -> number of files.

  Args:
    root: the folder.
    exclude: patterns such as "*_old.png" of names or of paths below `top`, left out.
    top: of the paths; None is `root`.
  """
  files: list[Path] = []
  skipped = Counter[str]()
  for path in visible(root):
    if path.is_dir():
      if path.is_symlink() and root.resolve().is_relative_to(path.resolve()):
        continue  # it would never end
      below, more = image_tree(path, exclude, top or root)
      files, skipped = files + below, skipped + more
      continue
    name = path.relative_to(top or root).as_posix()
    if any(fnmatch.fnmatch(path.name, p) or fnmatch.fnmatch(name, p) for p in exclude):
      skipped["excluded by --exclude"] += 1
    elif path.suffix.lower() not in IMAGES:
      skipped[f"no image ({path.suffix.lower() or 'no suffix'})"] += 1
    else:
      files.append(path)
  stems = {path.stem for path in files if path.parent == root}
  masks = {path for path in files if path.parent == root
           and (match := _MASK.fullmatch(path.stem)) and match[1] in stems}  # fmt: skip
  skipped["a mask beside its image"] += len(masks)
  return [path for path in files if path not in masks], +skipped


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
    actual = f"{getattr(error, 'filename', None) or path}: {reason[:200] or type(error).__name__}"
    raise InputError(expected, actual, remedy) from None


def package(name: str, extra: str) -> ModuleType:
  """Imports an optional package, or says in one line which extra brings it."""
  try:
    return importlib.import_module(name)
  except ImportError as error:
    remedy = f"install the extra: pip install 'hfc_tf[{extra}]'"
    raise InputError(f"the package {name.split('.')[0]}", str(error), remedy) from None
