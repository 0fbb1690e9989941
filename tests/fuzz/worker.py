"""Reads damaged files, one after the other, in a process of its own that may die."""

import json
import os
import pathlib
import re
import sys
import tempfile
import time
import traceback
import zlib

import numpy as np

from hfc_tf.errors import InputError
from tests.fuzz import data_readers, own_readers, table_readers
from tests.fuzz.mutate import mutated

READERS = {**data_readers.READERS, **table_readers.READERS, **own_readers.READERS}


def content(reader, name, number):
  """The file of a seed: its place, its damaged bytes, and whether their checksums are right."""
  rng = np.random.default_rng([zlib.crc32(name.encode()), number])
  place, whole = reader.files[number % len(reader.files)]
  alike = [other for there, other in reader.files if there == place]
  return place, *mutated(whole, rng, alike[rng.integers(len(alike))])


def outcome(reader, folder, place, damaged):
  """What reading comes to: accepted, refused or other; why; and what was read."""
  for other, whole in {**dict(reader.files), place: damaged}.items():
    (folder / other).parent.mkdir(parents=True, exist_ok=True)
    (folder / other).write_bytes(whole)
  try:
    return "accepted", "", reader.read(folder)
  except InputError as error:
    text = str(error)
    if text.splitlines() != [text] or str(folder) not in text:
      return "other", f"InputError that names no file, or of many lines: {text[:300]}", None
    return "refused", text[:300], None
  except Exception as error:
    where = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in where if "/hfc_tf/" in frame.filename or "/fuzz/" in frame.filename]
    at = f"{pathlib.Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "no line of ours"
    return "other", f"{type(error).__name__} at {at}: {str(error)[:300]}", None


def differs(dataset, wholes):
  """Whether images or labels are those of no valid file."""
  return not any(
    np.array_equal(dataset.pixels, whole.pixels) and np.array_equal(dataset.labels, whole.labels)
    for whole in wholes
  )


def clocks():
  """Seconds on the wall, and of processors with all children: on a busy machine the latter tell."""
  times = os.times()
  return np.array([time.monotonic(), sum(times[:4])])


def memory(field):
  """MiB of this process: VmHWM is the peak since it was reset, VmRSS that of now."""
  text = pathlib.Path("/proc/self/status").read_text()
  return int(re.search(rf"{field}:\s+(\d+)", text)[1]) / 1024


def main(ranges):
  """Reads what "NAME:FIRST:STOP" names and writes a json line before and after each file."""
  for name, first, stop in (entry.split(":") for entry in ranges):
    _say(reader=name, number=None)
    with tempfile.TemporaryDirectory() as root:
      folder = pathlib.Path(root) / "data"
      folder.mkdir()
      reader = READERS[name](folder)
      valid = [outcome(reader, folder, *file) for file in reader.files]
      refused = [why for result, why, _ in valid if result != "accepted"]
      if refused and not reader.optional:
        sys.exit(f"{name}: a valid file is refused: {refused[0]}")
      for number in range(int(first), int(stop)):
        _say(reader=name, number=number)
        place, damaged, right = content(reader, name, number)
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before, begun = memory("VmRSS"), clocks()
        result, why, read = outcome(reader, folder, place, damaged)
        seconds, mib = min(clocks() - begun), memory("VmHWM") - before
        if read and reader.checksums and not right and differs(read, [v[2] for v in valid if v[2]]):
          result, why = "other", "accepted with other values, though its checksum is wrong"
        _say(outcome=result, why=why.replace(root, ""), file=place, seconds=seconds, mib=mib)


def _say(**row):
  print(json.dumps(row), flush=True)


if __name__ == "__main__":
  main(sys.argv[1:])
