"""Whose image is it: patients in file names and folders, in tables, by equal pixels."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hfc_tf.data.files import readable
from hfc_tf.errors import InputError

# name -> where it stands in a path below the data folder, without its suffix; the first group is
# the patient.
SCHEMES = {
  # person63_bacteria_306, IM-0011-0001-0002, NORMAL2-IM-0012-0001, and BACTERIA-1008087-0001
  "Kermany's chest X-rays": r"(?:^|/)(?:(person\d+|(?:NORMAL\d*-)?IM-\d+)[-_]|"
                            r"(?:BACTERIA|VIRUS|NORMAL)-(\d+)-\d+$)",
  "NIH's chest X-rays": r"(?:^|/)(\d{8})_\d{3}$",
  "Kermany's OCT": r"(?:^|/)(?:CNV|DME|DRUSEN|NORMAL)-(\d+)-\d+$",
  "BIDS": r"(?:^|[/_])(sub-[A-Za-z0-9]+)(?=[/_]|$)",
  "both eyes": r"(?i)(?:^|/)([^/]*?)[ _-](?:left|right|od|os)(?=[ _.-]|$)",
  "TCGA": r"(?:^|/)(TCGA-\w{2}-\w{4})",
  "BreakHis": r"(?:^|/)SOB_[BM]_\w+-(\d+-\w+?)-\d+-\d+$",
  "numbered patients": r"(?i)(?:^|[/_ -])((?:patient|person|subject|subj|case)[ _-]?\d+)(?=\D|$)",
}  # fmt: skip


def by_name(
  names: Sequence[str], most: float = 0.9, schemes: Sequence[str] = tuple(SCHEMES)
) -> tuple[list[str] | None, str]:
  """The patient of each name, and the scheme that nearly all names follow; None and "" for none.

  Args:
    names: paths below the data folder, with forward slashes.
    most: the share of names that must fit, or a stray number would be taken for a patient.
    schemes: of SCHEMES, the first that fits.
  """
  stems = [re.sub(r"(\.nii)?\.\w+$", "", name) for name in names]
  for scheme in schemes:
    matches = [re.search(SCHEMES[scheme], stem) for stem in stems]
    if any(matches) and sum(map(bool, matches)) >= most * len(stems):
      pairs = zip(names, matches, strict=True)
      patients = [next(filter(None, match.groups())) if match else name for name, match in pairs]
      if len(set(patients)) > 1:
        return patients, scheme
  return None, ""


def given(names: Sequence[str], rule: str) -> list[str]:
  """The patient of each name by --groups: a csv of file and group, or a regular expression.

  Args:
    names: paths below the data folder. rule: a file's path, or an expression whose first group is
      the patient.

  Raises:
    InputError: neither, or it says nothing of any name.
  """
  path = Path(rule)
  if path.is_file():
    with readable("a table of files and groups", path), path.open(encoding="utf-8-sig") as file:
      rows = [row for row in csv.reader(file) if len(row) > 1]
    table = {row[0].strip(): row[1].strip() for row in rows}
    groups = [table.get(name) or table.get(Path(name).name) or table.get(Path(name).stem)
              for name in names]  # fmt: skip
  else:
    try:
      pattern = re.compile(rule)
    except re.error as error:
      reason = f"{rule!r}: {error}"
      raise InputError("--groups with a csv file or an expression", reason, "correct it") from None
    if not pattern.groups:
      expected = "a group in the expression of --groups, such as ^(\\d+)_"
      raise InputError(expected, repr(rule), "put brackets around the patient")
    matches = map(pattern.search, names)
    groups = [match and match.group(1) for match in matches]
  if not any(groups):
    raise InputError(f"--groups={rule} to fit the files", f"none, {names[0]} first", "correct it")
  return [group or name for group, name in zip(groups, names, strict=True)]


def plain_number(name: object) -> str:
  """A patient's name as tags hold it: "  007 " and "007" are "7"."""
  text = str(name).strip().casefold()
  return text.lstrip("0") or "0" if text.isdecimal() else text


def copies(pixels: np.ndarray) -> np.ndarray:
  """For each image the first one with equal pixels, int64 [N]; blank ones are nobody's copy.

  Args:
    pixels: uint16 [N, ...].
  """
  first: dict[bytes, int] = {}
  same = np.arange(len(pixels))
  for row, image in enumerate(pixels):
    if image.min() < image.max():
      key = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
      same[row] = first.setdefault(key, row)
  return same


def joined(groups: np.ndarray | None, same: np.ndarray) -> np.ndarray | None:
  """Groups [N] in which copies of an image are of one; None where nothing binds any two.

  What more than half of the images are copies of is a placeholder, and binds nothing.
  """
  counts = np.bincount(same, minlength=len(same))
  same = np.where(counts[same] > max(2, len(same) / 2), np.arange(len(same)), same)
  if groups is None and len(np.unique(same)) == len(same):
    return None
  numbers = np.arange(len(same)) if groups is None else groups.copy()
  for row in np.flatnonzero(same != np.arange(len(same))):
    one, other = numbers[same[row]], numbers[row]
    if one != other:
      numbers[numbers == other] = one
  return numbers.astype(np.int64)
