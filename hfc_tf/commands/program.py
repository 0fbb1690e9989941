"""From flags to one library call; whatever the user got wrong ends in one line and exit code 2.

Flags are checked before TensorFlow is imported, which takes several seconds.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import math
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from absl import app, flags, logging

from hfc_tf.commands.conditions import judge, parse
from hfc_tf.commands.flags import Option, define
from hfc_tf.errors import InputError
from hfc_tf.experiments import EXPERIMENTS, check
from hfc_tf.study import values
from hfc_tf.study.setting import backbones
from hfc_tf.surroundings import check_backend, set_defaults

flags.disclaim_key_flags()  # so that --help of a command shows the flags as its own

_FAIL_IF = flags.DEFINE_list(
  "fail_if", [], "Conditions, such as any.evasion_rate>0.1 or bim/balanced.maha.auc_two_sided>0.9, "
  "that make the command end with exit code 3; a metric is a column of results.csv.",
)  # fmt: skip
_JUNIT = flags.DEFINE_string("junit", None, "A file, JUnit's XML, for the conditions of --fail_if.")
flags.DEFINE_boolean("quiet", False, "Log warnings only; what came out is printed all the same.")
_OUTPUT_ERRORS = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS)


def experiment(
  name: str, defaults: Mapping[str, Any] | None = None
) -> Callable[[Callable[[], Mapping[str, Option]]], Callable[[], None]]:
  """Makes a command of a function that defines flags; it says in the end what came out and where.

  The function returns, for each argument that `run` of the experiment takes beside the
  configuration, what gives the checked value. Its docstring is what --help says first.

  Args:
    name: a key of EXPERIMENTS.
    defaults: of the common flags, in place of the experiment's.
  """
  entry = EXPERIMENTS[name]
  fields = entry.defaults if defaults is None else defaults

  def command(options: Callable[[], Mapping[str, Option]]) -> None:
    make_config = define(
      hides=bool(fields.get("hfc")), trains_others=entry.trains_others,
      several_budgets=entry.several_budgets, **fields,
    )  # fmt: skip
    arguments = options()

    def main() -> None:
      config = make_config()
      model = str(config.resolved().model)
      if len(config.attacks) > 1 and not entry.every_attack:
        raise InputError("one attack at --attack", ", ".join(config.attacks), "name one of them")
      given = {key: value() for key, value in arguments.items()}
      check(name, config)
      chosen = {key: value for key, value in given.items() if value is not None}
      models = chosen.get("models") or ("models" in arguments and backbones(config))
      others = list(chosen.get("substitutes", ()))
      others += [chosen["slices_model"]] if "slices_model" in chosen else []
      others += [] if config.model_path and others else [model]
      conditions = parse(_FAIL_IF.value, config.attacks, config.detectors)
      if _JUNIT.value and not conditions:
        raise InputError("--fail_if with --junit", "none", "add a condition")
      values.starts_fit("--weights", config.weights, models or others)
      report, experiment, progress = map(load, ("hfc_tf.report", entry.module, "hfc_tf.progress"))
      progress.current.begin(scale=entry.scale)
      with progress.current.shown():
        result = experiment.run(config, **chosen)
        report.write(result)
      for text in result.lead:
        say(textwrap.fill(text, 100))
      say(f"report: {config.out}/report.html")
      failed = judge(conditions, result.rows, _JUNIT.value)
      for line in failed:
        say(f"failed: {line}")
      if failed:
        sys.exit(3)

    run(main, options.__doc__)

  return lambda options: functools.wraps(options)(functools.partial(command, options))


def run(main: Callable[[], None], text: str | None = None) -> None:
  """Parses the flags, calls `main` and exits; `text` is what --help says first.

  Exit codes: 0; 2 after a wrong flag, an InputError or an output folder that cannot be written,
  with one line on stderr; 3 where a condition of --fail_if holds or cannot be judged; 130 after
  control-C.
  """
  sys.modules["__main__"].__doc__ = text  # where absl looks for it
  _open_streams()
  try:
    app.run(lambda _: _guarded(main), flags_parser=_parse)
  finally:
    _flush()


def load(module: str) -> Any:
  """Imports a module that needs TensorFlow, silently and with deterministic operations."""
  check_backend()
  if not flags.FLAGS["verbosity"].present:
    logging.set_verbosity(logging.WARNING if flags.FLAGS.quiet else logging.INFO)
  # TensorFlow writes a dozen lines when it is imported, whatever TF_CPP_MIN_LOG_LEVEL says, and
  # would bury our one line.
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
  os.environ.pop("MPLBACKEND", None)  # figures need none, and matplotlib dies of an unknown one
  with _muted():
    import tensorflow
  tensorflow.config.experimental.enable_op_determinism()
  set_defaults()
  return importlib.import_module(module)


def say(line: str) -> None:
  """Prints a line; that nobody reads it any more is no failure."""
  with contextlib.suppress(BrokenPipeError):
    print(line)


@contextlib.contextmanager
def _muted() -> Iterator[None]:
  """Sends the process's stderr nowhere, what C++ writes included."""
  with contextlib.suppress(BrokenPipeError):
    sys.stderr.flush()
  stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(nowhere, 2)
  try:
    yield
  finally:
    os.dup2(stderr, 2)
    os.close(stderr)
    os.close(nowhere)


def _open_streams() -> None:
  """Opens what the caller closed, or a file of ours would take its number, and get the log."""
  for number, name in enumerate(("stdin", "stdout", "stderr")):
    try:
      os.fstat(number)
    except OSError:
      os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    stream: Any = getattr(sys, name)
    if stream is None:
      setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
    elif number and hasattr(stream, "reconfigure"):
      stream.reconfigure(errors="backslashreplace")  # a path may hold what the locale cannot say
  handler: Any = logging.get_absl_handler()
  if handler.python_handler.stream is None:
    handler.python_handler.stream = sys.stderr


def _flush() -> None:
  """Python's own flush at the end would complain of a pipe that ended early, with exit code 120."""
  for number, stream in ((1, sys.stdout), (2, sys.stderr)):
    try:
      stream.flush()
    except OSError:
      os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _parse(argv: list[str]) -> list[str]:
  try:
    rest: list[str] = flags.FLAGS(argv)
    if len(rest) > 1:
      raise flags.Error(f"argument {rest[1]!r} that belongs to no flag")
    for name in flags.FLAGS:
      if flags.FLAGS[name].present and not _says_something(flags.FLAGS[name].value):
        raise flags.Error(f"--{name}={flags.FLAGS[name].value!r}")
  except flags.Error as error:
    _fail(InputError("known flags with valid values", str(error), "see --help"))
  except (BrokenPipeError, SystemExit):  # of --help, after which absl ends with 1
    sys.exit(0)
  return rest


def _says_something(value: Any) -> bool:
  """Whether a value is neither empty, as of an unset shell variable, nor infinite nor NaN."""
  if isinstance(value, list):
    return bool(value) and all(map(_says_something, value))
  return value != "" and (not isinstance(value, float) or math.isfinite(value))


def _guarded(main: Callable[[], None]) -> None:
  try:
    main()
  except InputError as error:
    _fail(error)
  except OSError as error:
    if error.errno not in _OUTPUT_ERRORS:
      raise
    place = error.filename or "the output folder"
    _fail(InputError(f"to be able to write {place}", str(error.strerror), "choose another --out"))
  except KeyboardInterrupt:
    print("interrupted: the same command goes on where it was", file=sys.stderr)
    sys.exit(130)


def _fail(error: InputError) -> NoReturn:
  with contextlib.suppress(BrokenPipeError):
    print(error, file=sys.stderr)
  sys.exit(2)
