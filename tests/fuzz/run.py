"""Reads many damaged files in processes that are watched: their death, silence and size count."""

import collections
import dataclasses
import json
import os
import pathlib
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time

WORKER = (sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.worker")
SECONDS = 5.0  # that reading a file may take
MIB = 2048.0  # by which it may let the process grow
_SILENCE = 60.0  # after which a process hangs
_START = 300.0  # that imports and valid files may take
_LIMIT = 3 * MIB  # at which a process is ended before the machine suffers


@dataclasses.dataclass
class Line:
  """What became of the damaged files of one reader."""

  accepted: int = 0
  refused: int = 0
  slowest: float = 0.0
  largest: float = 0.0
  failures: list = dataclasses.field(default_factory=list)  # (number or None, what happened)

  @property
  def files(self):
    return self.accepted + self.refused + len(self.failures)


def run(names, first, count, lines=None, worker=WORKER):
  """Reads files first .. first + count - 1 of every reader: {name: Line}, filled as it goes on."""
  lines = {} if lines is None else lines
  lines |= {name: Line() for name in names}
  left = collections.deque((name, first, first + count) for name in names)
  while left:
    name, number, why = _process([*worker, *(":".join(map(str, entry)) for entry in left)], lines)
    while left and left[0][0] != name:
      left.popleft()  # done
    if why is None:
      break
    if name is None:
      raise RuntimeError(why)
    lines[name].failures.append((number, why))
    stop = left.popleft()[2]
    if number is not None and number + 1 < stop:  # None: its valid files are refused
      left.appendleft((name, number + 1, stop))
  return lines


def _process(command, lines):
  """Runs one process to its end; the reader and file that ended it, and how (None: well)."""
  with tempfile.TemporaryFile() as errors:
    process = subprocess.Popen(
      command, stdout=subprocess.PIPE, stderr=errors, cwd=pathlib.Path(__file__).parents[2],
      env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    name, number, why = None, None, None
    try:
      for text in _watched(process):
        row = json.loads(text)
        if "number" in row:
          name, number = row["reader"], row["number"]
        else:
          _add(lines[name], number, row)
    except TimeoutError as error:
      why = str(error)
      process.send_signal(signal.SIGABRT)  # faulthandler says where it is
    except BaseException:
      process.kill()
      raise
    finally:
      process.wait()
      process.stdout.close()
    if why or process.returncode:
      errors.seek(0)
      last = errors.read().decode(errors="replace").strip()[-2000:]
      why = f"{why or f'the process ended with {process.returncode}'}: {last}"
  return name, number, why


def _watched(process):
  """Lines of a process; TimeoutError where it is silent for too long or becomes too large."""
  last, rest, allowed = time.monotonic(), b"", _START
  with selectors.DefaultSelector() as selector:
    selector.register(process.stdout, selectors.EVENT_READ)
    while True:
      if selector.select(0.2):
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
          process.wait()
          return
        *whole, rest = (rest + data).split(b"\n")
        # Between a file and the next one of another reader, valid files are made.
        reading = re.search(rb'"number": \d', (whole or [rest])[-1])
        last, allowed = time.monotonic(), _SILENCE if reading else _START
        yield from whole
      elif time.monotonic() - last > allowed:
        raise TimeoutError(f"no end after {allowed:.0f} s")
      elif _resident(process.pid) > _LIMIT:
        raise TimeoutError(f"more than {_LIMIT:.0f} MiB")


def _resident(pid):
  try:
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
  except (OSError, IndexError):
    return 0.0
  return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _add(line, number, row):
  line.slowest, line.largest = max(line.slowest, row["seconds"]), max(line.largest, row["mib"])
  if row["outcome"] == "other":
    line.failures.append((number, row["why"]))
  elif row["seconds"] > SECONDS:
    line.failures.append((number, f"{row['seconds']:.1f} s"))
  elif row["mib"] > MIB:
    line.failures.append((number, f"{row['mib']:.0f} MiB"))
  elif row["outcome"] == "accepted":
    line.accepted += 1
  else:
    line.refused += 1


def table(lines):
  """A row a reader, as text."""
  head = ("reader", "files", "accepted", "refused", "other", "slowest s", "peak MiB")
  rows = [
    (name, line.files, line.accepted, line.refused, len(line.failures), line.slowest, line.largest)
    for name, line in lines.items()
  ]
  sums = [sum(row[column] for row in rows) for column in range(1, 5)]
  rows.append(("all", *sums, *(max(row[column] for row in rows) for column in (5, 6))))
  rows = [(*row[:5], f"{row[5]:.2f}", f"{row[6]:.0f}") for row in rows]
  widths = [max(len(str(row[column])) for row in (head, *rows)) for column in range(len(head))]
  return "\n".join(
    "  ".join(str(cell).ljust(w) if not n else str(cell).rjust(w)
              for n, (cell, w) in enumerate(zip(row, widths, strict=True)))
    for row in (head, *rows)
  )  # fmt: skip
