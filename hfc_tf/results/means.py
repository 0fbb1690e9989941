"""Means in a sentence, each with the images that it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from hfc_tf.results.labels import share

R = TypeVar("R")
_COUNTS = ("n_adversarial", "n_lesions", "n_images", "n")  # of images, in rows


def mean(values: Iterable[float | None]) -> float | None:
  """The mean of those that are there."""
  there = [value for value in values if value is not None]
  return sum(there) / len(there) if there else None


def means(
  rows: Iterable[R],
  label: Callable[[R], str],
  what: str = "two-sided AUC within class of the detectors",
  field: str = "auc_within_class_two_sided",
) -> str:
  """The finding in a sentence: the mean of a field by what `label` says of a row, and its n."""
  groups: dict[str, list[Any]] = {}
  for row in rows:
    groups.setdefault(label(row), []).append(row)
  listed = "; ".join(f"{name}: {_counted(group, field)}" for name, group in groups.items())
  return f"Mean {what} – {listed}."


def _counted(rows: Sequence[Any], field: str) -> str:
  """The mean of a field, and the fewest images that one of its values is of."""
  there = [row for row in rows if getattr(row, field) is not None]
  counts = [n for row in there for name in _COUNTS if (n := getattr(row, name, None)) is not None]
  n = f" (n = {min(counts)})" if counts else ""
  return share(mean(getattr(row, field) for row in there)) + n
