"""Files that are whole or not there."""

import os
import pathlib
import tempfile
from collections.abc import Mapping

from hfc_tf.errors import InputError


def write_files(out_dir: str | os.PathLike[str], files: Mapping[str, bytes]) -> None:
  """Writes files beside their place and renames them into it once all of them are complete.

  Args:
    out_dir: the folder; made where it is missing.
    files: contents by path relative to the folder.

  Raises:
    InputError: the folder cannot be made or written; none of the files is then half-written.
  """
  out = pathlib.Path(out_dir)
  written: list[tuple[str, pathlib.Path]] = []
  try:
    for name, content in files.items():
      place = out / name
      place.parent.mkdir(parents=True, exist_ok=True)
      handle, beside = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
      written.append((beside, place))
      with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
      os.chmod(beside, 0o644)  # mkstemp's 0600 would keep a web server from reading the page
    for beside, place in written:
      os.replace(beside, place)
  except OSError as error:
    raise InputError(
      expected=f"an output folder that can be written at {out}",
      found=error.strerror or str(error),
      remedy="choose another --out, or make room there",
    ) from error
  finally:
    for beside, _ in written:
      pathlib.Path(beside).unlink(missing_ok=True)
