"""Reads damaged files of every kind and prints what became of them.

    python -m tests.fuzz --files=20000 --seed=0
    python -m tests.fuzz --readers=png8 --seed=123 --files=1 --save=/tmp/x    # one file again

The files of a reader are numbered; --seed is the first number, so that runs go on where others
ended.
"""

import argparse
import pathlib
import signal
import sys
import tempfile

from tests.fuzz.run import run, table


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--files", type=int, default=1000, help="of all readers together")
  parser.add_argument("--seed", type=int, default=0, help="number of the first file of each reader")
  parser.add_argument("--readers", default="", help="names with commas; all by default")
  parser.add_argument("--save", help="folder for the damaged files themselves, which are not read")
  options = parser.parse_args()
  from tests.fuzz.worker import READERS, content

  names = options.readers.split(",") if options.readers else list(READERS)
  count = -(-options.files // len(names))
  if options.save:
    for name in names:
      with tempfile.TemporaryDirectory() as folder:
        reader = READERS[name](pathlib.Path(folder))
        for number in range(options.seed, options.seed + count):
          place, damaged, _ = content(reader, name, number)
          path = pathlib.Path(options.save) / name / str(number) / place
          path.parent.mkdir(parents=True, exist_ok=True)
          path.write_bytes(damaged)
    return 0
  lines = {}
  signal.signal(signal.SIGTERM, signal.default_int_handler)
  try:
    run(names, options.seed, count, lines)
  except KeyboardInterrupt:
    print("stopped early")
  for name, line in lines.items():
    for number, why in line.failures:
      print(f"{name} {number}: {why}")
  print(table(lines))
  print(f"next: --seed={options.seed + count}")
  return int(any(line.failures for line in lines.values()))


if __name__ == "__main__":
  sys.exit(main())
