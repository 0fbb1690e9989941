"""Fetches public data sets through kagglehub and medmnist, which are an optional extra."""

import contextlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hfc_tf.errors import InputError

SIZES = (28, 64, 128, 224)


def download(name: str, out: str | Path, size: int = 224) -> Path:
  """Fetches a data set into a folder of its own.

  Args:
    name: a key of DOWNLOADS.
    out: the data set lands in OUT/NAME.
    size: side of the images in pixels, one of SIZES; MedMNIST alone comes in several.

  Returns:
    What to give as `data_dir`.

  Raises:
    InputError: the extra is not installed, there is no network, or the site refuses.
  """
  if name not in DOWNLOADS:
    raise InputError(f"a data set out of {', '.join(DOWNLOADS)}", name, "choose one of them")
  if size not in SIZES:
    raise InputError(f"a size out of {', '.join(map(str, SIZES))}", str(size), "choose one of them")
  target = Path(out) / name
  try:
    target.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise InputError(
      f"a writable folder {target}", error.strerror or str(error), "choose another --out"
    ) from None
  try:
    return DOWNLOADS[name](target, size)
  except InputError:
    with contextlib.suppress(OSError):  # not empty: what has arrived saves the next attempt
      target.rmdir()
    raise


def _kaggle_dataset(handle: str) -> Callable[[Path, int], Path]:
  """Kaggle's data sets, which anybody may fetch."""

  def fetch(target: Path, size: int) -> Path:
    del size
    return Path(_call("kagglehub", "dataset_download", handle, output_dir=str(target)))

  return fetch


def _kaggle_competition(handle: str) -> Callable[[Path, int], Path]:
  """Kaggle's competition data, for which one logs in and accepts the rules on the site."""

  def fetch(target: Path, size: int) -> Path:
    del size
    return Path(_call("kagglehub", "competition_download", handle, output_dir=str(target)))

  return fetch


def _medmnist(class_name: str) -> Callable[[Path, int], Path]:
  """MedMNIST (Yang et al., Scientific Data 2023), one npz file."""

  def fetch(target: Path, size: int) -> Path:
    _call("medmnist", class_name, split="train", download=True, root=str(target), size=size)
    return target / f"{class_name.lower()}{'' if size == 28 else f'_{size}'}.npz"

  return fetch


DOWNLOADS: dict[str, Callable[[Path, int], Path]] = {
  "chest": _kaggle_dataset("paultimothymooney/chest-xray-pneumonia"),
  "fundus": _kaggle_competition("aptos2019-blindness-detection"),
  "pneumoniamnist": _medmnist("PneumoniaMNIST"),
  "retinamnist": _medmnist("RetinaMNIST"),
}


def _call(package: str, function: str, *args: Any, **kwargs: Any) -> Any:
  """Calls a function of an optional package; whatever goes wrong becomes one line."""
  try:
    module = importlib.import_module(package)
  except ImportError as error:
    raise InputError(
      f"the package {package}", str(error), "install the extra: pip install 'hfc_tf[data]'"
    ) from None
  try:
    return getattr(module, function)(*args, **kwargs)
  except Exception as error:  # the packages raise what their network libraries raise
    reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    raise InputError(
      f"{package} to fetch {args[0] if args else function}",
      reason,
      "check the network and, for Kaggle, your login and that you accepted the rules",
    ) from None
