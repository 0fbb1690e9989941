"""Fetches public data sets through kagglehub and medmnist, which are an optional extra."""

import contextlib
from pathlib import Path

from hfc_tf.data.files import package
from hfc_tf.errors import InputError

SIZES = (28, 64, 128, 224)
_KAGGLE = {
  "chest": ("dataset_download", "paultimothymooney/chest-xray-pneumonia"),
  # For a competition one logs in and accepts the rules on the site.
  "fundus": ("competition_download", "aptos2019-blindness-detection"),
}
# Yang et al., Scientific Data 2023: one npz file each.
_MEDMNIST = {"pneumoniamnist": "PneumoniaMNIST", "retinamnist": "RetinaMNIST"}
DOWNLOADS = (*_KAGGLE, *_MEDMNIST)


def download(name: str, out: str | Path, size: int = 224) -> Path:
  """Fetches a data set into a folder of its own.

  Args:
    name: one of DOWNLOADS.
    out: the data set lands in OUT/NAME.
    size: side of the images in pixels, one of SIZES; MedMNIST alone comes in several.

  Returns:
    What to give as `data_dir`.
  """
  if name not in DOWNLOADS:
    raise InputError(f"a data set out of {', '.join(DOWNLOADS)}", name, "choose one of them")
  if size not in SIZES:
    raise InputError(f"a size out of {', '.join(map(str, SIZES))}", str(size), "choose one of them")
  target = Path(out) / name
  try:
    target.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    reason = error.strerror or str(error)
    raise InputError(f"a writable folder {target}", reason, "choose another --out") from None
  try:
    if name in _KAGGLE:
      function, handle = _KAGGLE[name]
      fetch = getattr(package("kagglehub", "data"), function)
      return Path(fetch(handle, output_dir=str(target)))
    fetch = getattr(package("medmnist", "data"), _MEDMNIST[name])
    fetch(split="train", download=True, root=str(target), size=size)
    return target / f"{name}{'' if size == 28 else f'_{size}'}.npz"
  except Exception as error:  # the packages raise what their network libraries raise
    with contextlib.suppress(OSError):  # not empty: what has arrived saves the next attempt
      target.rmdir()
    if isinstance(error, InputError):
      raise
    expected = f"{'kagglehub' if name in _KAGGLE else 'medmnist'} to fetch {name}"
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    remedy = "check the network and, for Kaggle, your login and that you accepted the rules"
    raise InputError(expected, reason, remedy) from None
