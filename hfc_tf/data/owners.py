"""Whose volume is it, by the folders and names below those of the classes."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

_SUBJECT = re.compile(r"(?<![a-zA-Z0-9])sub-([a-zA-Z0-9]+)")  # BIDS
_MOST_SCANS = 12  # of a patient, on average


def owners(data_dir: Path, paths: Sequence[Path]) -> list[str]:
  """BIDS names, or folders of patients: the first of which a class has several; else paths.

  Args:
    data_dir: the folder of the classes' folders.
    paths: of volumes below it.
  """
  folders: dict[str, list[str]] = {}
  for path in paths:
    label, *between = path.relative_to(data_dir).parts[:-1]
    folders.setdefault(label, []).append("/".join(between))
  above = [os.path.commonpath(each) for each in folders.values() if len(set(each)) > 1]
  depth = min((len(Path(common).parts) for common in above), default=sys.maxsize)
  folder = [path.relative_to(data_dir).parts[1:-1][depth : depth + 1] for path in paths]
  if _MOST_SCANS * len(set(folder)) < len(paths):
    folder = [()] * len(paths)  # so few folders are no patients, but kinds of scan
  subjects = [_SUBJECT.search("/".join(path.relative_to(data_dir).parts[1:])) for path in paths]
  return [
    subject[1] if subject else owner[0] if owner else str(path)
    for path, subject, owner in zip(paths, subjects, folder, strict=True)
  ]
