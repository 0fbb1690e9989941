"""What a budget means where images are files, and which budgets exist there; no TensorFlow."""

from __future__ import annotations

from hfc_tf.errors import InputError

_ROUNDING = 1e-6


def label(levels: int | None) -> str:
  """What rows call a grid: "8 bits", "float"."""
  return "float" if levels is None else f"{levels.bit_length()} bits"


def grey_levels(budget_256: float, levels: int) -> float:
  """Grey levels that N/256 stands for in a file of b bits: N 2^b / 256, levels being 2^b - 1."""
  return budget_256 * (levels + 1) / 256


def unit(budget_256: float, levels: int | None) -> float:
  """N/256 in units of images in [0, 1]: on a grid N/256 2^b / (2^b - 1), in 8 bits N / 255.

  One grey level of an 8-bit file is 1/255 of the range, where the papers say 1/256.
  """
  return budget_256 / 256 if levels is None else grey_levels(budget_256, levels) / levels


def budget(size: float, levels: int | None) -> float:
  """The inverse of `unit`."""
  return 256 * size if levels is None else 256 * size * levels / (levels + 1)


def check(flag: str, budget_256: float, levels: int | None) -> None:
  """Refuses a budget below one grey level, and in 8 bits one of no whole number of them."""
  if not _exists(budget_256, levels):
    bits = label(levels).removesuffix("s")
    raise InputError(
      f"{flag} of {'a whole number of grey levels' if levels == 255 else 'a grey level or more'} "
      f"({256 / ((levels or 0) + 1):.3g}/256 each) in {bits.replace(' ', '-')} files",
      f"{budget_256:g}/256, {grey_levels(budget_256, levels or 0):.3g} of them",
      "change it, or add --grid=float",
    )


def existing(budgets_256: list[float], levels: int | None) -> list[float]:
  """Those that `check` does not refuse."""
  return [budget for budget in budgets_256 if _exists(budget, levels)]


def nearest(budget_256: float, levels: int | None) -> float:
  """The budget of the nearest whole number of grey levels above none; for floats the same."""
  if levels is None:
    return budget_256
  return max(1, round(grey_levels(budget_256, levels))) * 256 / (levels + 1)


def _exists(budget_256: float, levels: int | None) -> bool:
  if levels is None:
    return True
  size = grey_levels(budget_256, levels)
  whole = abs(size - round(size)) <= _ROUNDING or levels > 255
  return size >= 1 - _ROUNDING and whole
