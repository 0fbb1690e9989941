"""What pages take from the code when they are built, so that each fact has one home."""

import dataclasses
from typing import Any

import hfc_tf
import hfc_tf.detectors
from hfc_tf.experiments import EXPERIMENTS, binary
from hfc_tf.study.config import Config


def on_page_markdown(markdown: str, **_: Any) -> str:
  """Puts tables and lists in the place of <!-- flags --> and the like."""
  for name, content in _CONTENTS.items():
    if name in markdown:
      markdown = markdown.replace(name, content())
  return markdown


def _flags() -> str:
  """A line a common flag: name, default, help."""
  lines = ["| flag | default | |", "|---|---|---|"]
  for field in dataclasses.fields(Config):
    name, default = field.metadata["flag"] or field.name, field.default
    text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    shown = "" if default is None else f"`{text.lower() if isinstance(default, bool) else text}`"
    lines.append(f"| `--{name}` | {shown} | {field.metadata['help'].replace('|', '/')} |")
  return "\n".join(lines)


def _commands() -> str:
  """A line an experiment: its command, what it stands for, minutes on the built-in images."""
  lines = ["| command | what | minutes |", "|---|---|---|"]
  lines += [f"| `{binary(k)}` | {e.title} | {e.minutes:g} |" for k, e in EXPERIMENTS.items()]
  return "\n".join(lines)


def _names() -> str:
  """Every public name of hfc_tf, read from its docstring."""
  names = [name for name in hfc_tf.__all__ if not name.startswith("__")]
  packages = ("data", "detectors", "evaluation", "adapters")
  return "\n\n".join(f"::: hfc_tf.{name}" for name in names if name not in packages)


def _detectors() -> str:
  """Every detector of hfc_tf.detectors, and `load`."""
  names = [name for name in hfc_tf.detectors.__all__ if name not in ("DETECTORS", *hfc_tf.__all__)]
  return "\n\n".join(f"::: hfc_tf.detectors.{name}" for name in names)


_CONTENTS = {
  "<!-- flags -->": _flags,
  "<!-- commands -->": _commands,
  "<!-- names -->": _names,
  "<!-- detectors -->": _detectors,
}
