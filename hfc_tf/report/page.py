"""What a page shows: one template, which needs no network, and what fills it."""

from __future__ import annotations

import re
import shlex
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jinja2

from hfc_tf.experiments import EXPERIMENTS, binary
from hfc_tf.report.figures import page_width
from hfc_tf.results.labels import (
  attack_label,
  budget,
  dataset_label,
  decimal,
  hfc_label,
  model_label,
  number,
  share,
)
from hfc_tf.results.result import Section, Table
from hfc_tf.study.flags import without_effect

_MOST_CLASSES = 20  # of a confusion matrix that a page shows
_MOST_WARNINGS = 3  # that a page shows unfolded
_DETAILS = {"data": "Data", "classifier": "Classifier",
            "papers_setting": "The papers' setting", "config": "Configuration",
            "environment": "Environment", "timing": "Timing"}  # fmt: skip
_FLAGS = {  # of the configuration's fields that have another name
  "attacks": "attack", "hfc_weights": "hfc_weight", "eps_256": "eps", "step_size_256": "step_size",
}  # fmt: skip


def page_files(
  results: Mapping[str, Any], sections: Sequence[Section], title: str
) -> dict[str, bytes]:
  """report.html, self-contained, and figures/*.png.

  Args:
    results: what results.json holds; the page ends with it.
    sections: one, or several, each under a heading with its command. Their figures are drawn.
    title: of the page.
  """
  alone = len(sections) == 1
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader("hfc_tf.report", "."),
    autoescape=True,  # names and paths come from strangers
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
  )
  page = environment.get_template("page.html").render(
    title=title,
    warnings=results.get("warnings") or [],
    most_warnings=_MOST_WARNINGS,
    synthetic=(results.get("data") or {}).get("source") == "synthetic",
    facts=facts(results),
    contents=_contents(results, sections, alone),
    anchor=_anchor,
    files=_files(results),
    sections=sections,
    page_width=page_width,
    base64=lambda figure: b64encode(figure.png).decode(),
    level=1 if alone else 2,
    classified=_classified(results),
    sanity=_sanity(results),
    command=command(results),
    notes=sections[0].notes if alone else [],
    settings=[(text, _flat(results[key])) for key, text in _DETAILS.items() if results.get(key)],
  )
  pictures = {
    f"figures/{'' if alone else f'{place}_'}{figure.name}.png": figure.png
    for place, section in enumerate(sections, start=1)
    for figure in section.figures
  }
  return pictures | {"report.html": page.encode(errors="backslashreplace")}


def _classified(results: Mapping[str, Any]) -> dict[str, Any] | None:
  """How good the classifier is on Test: a sentence and the confusion matrix; or None."""
  classifier = results.get("classifier") or {}
  confusion = classifier.get("confusion")
  if not confusion:
    return None
  names = (results.get("data") or {}).get("class_names") or []
  names = names if len(names) == len(confusion) else list(map(str, range(len(confusion))))
  body = [[name, *map(str, counts)] for name, counts in zip(names, confusion, strict=True)]
  caption = "Test images by true class (rows) and predicted class (columns)."
  config, order = results.get("config") or {}, ""
  if config.get("model_path") and len(names) <= _MOST_CLASSES:
    by = "--classes" if config.get("classes") else "the data, unless --classes says otherwise"
    order = f" Outputs of the model by {by}: {', '.join(f'{k} {n}' for k, n in enumerate(names))}."
  figures = [share(classifier.get(name)) for name in ("accuracy", "balanced_accuracy", "auc")]
  return {
    "line": "Accuracy {}, balanced accuracy (the mean recall of the classes) {}, AUC {}.".format(
      *figures
    )
    + order,
    "table": None if len(body) > _MOST_CLASSES else Table(caption, ["True class", *names], body),
  }


def _sanity(results: Mapping[str, Any]) -> Table | None:
  """What rules without a network see of each attack, if it was asked."""
  rows = results.get("sanity")
  if not rows:
    return None
  body = [
    [row["check"], attack_label(row["attack"]), budget(row["eps_256"]),
     hfc_label(row["weight_rule"]), decimal(row["auc"])] for row in rows
  ]  # fmt: skip
  return Table(
    "AUC of rules that need no network, attacked against clean AdvTest images: 0.50 sees nothing.",
    ["Rule", "Attack", "Budget", "HFC", "AUC"], body,
    "Channels differ: the largest difference of two channels at one pixel. On grey images 1.00 "
    "means that the attack colours them, which no detector is needed to see.",
  )  # fmt: skip


def _contents(results: Mapping[str, Any], sections: Sequence[Section], alone: bool) -> list[str]:
  """The headings of a page: of its figures, or of its sections."""
  (first, *_) = sections
  headings = [f.title for f in first.figures] if alone else [s.title for s in sections]
  headings += ["The classifier on Test"] * bool(_classified(results))
  headings += ["Sanity checks"] * bool(results.get("sanity"))
  return [*headings, "How this page was made"]


def _anchor(text: str) -> str:
  """What a link within the page names a heading by."""
  return re.sub(r"\W+", "-", text.lower()).strip("-")


def facts(results: Mapping[str, Any]) -> list[str]:
  """The line under a title: images, classifier, side, attacks, budgets, steps, seed."""
  data, config = results.get("data") or {}, results.get("config") or {}

  def every(field: str, label: Callable[[Any], str]) -> str:
    values = (row.get(field) for row in results["rows"])
    return ", ".join(dict.fromkeys(label(value) for value in values if value is not None))

  forms = (
    ("{}", dataset_label(str(data.get("name", "")))),
    ("{}", model_label(str((results.get("classifier") or {}).get("name") or ""))),
    ("{} px", data.get("image_size")),
    ("{}", every("attack", attack_label)),
    ("ε = {} / 256", every("eps_256", lambda eps: number(eps, 3))),
    ("{} steps", every("steps", str)),
    ("seed {}", config.get("seed")),
  )
  return [form.format(fact) for form, fact in forms if fact not in (None, "")]


def _files(results: Mapping[str, Any]) -> str:
  """What the line under a title leaves open: what a budget is in files of the images."""
  bits = str((results.get("data") or {}).get("grid") or "float").removesuffix(" bits")
  if bits == "float":
    return ""
  top = 2 ** int(bits) - 1
  levels = "one grey level" if top == 255 else f"{(top + 1) // 256} grey levels"
  return (
    f"Images and attacked images are {bits}-bit files: 1/256 of ε is {levels}, of which the range "
    f"has {top}; a grey level is 1/{top} where the papers say 1/{top + 1}. Figures as floats are "
    "of the images before they were stored."
  )


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
  """(name, text) of every leaf; nested names are joined by dots."""
  if isinstance(value, Mapping):
    for key, item in value.items():
      yield from _flat(item, f"{prefix}.{key}" if prefix else str(key))
  elif isinstance(value, list):
    yield prefix, ", ".join(map(str, value)) or "none"
  elif isinstance(value, float):
    yield prefix, f"{value:.6g}"
  else:
    yield prefix, {None: "none", True: "yes", False: "no"}.get(value, str(value))


def command(results: Mapping[str, Any]) -> str:
  """The command that makes the page: results["command"], or one rebuilt from the configuration."""
  given = results.get("command")
  if given:
    return given if isinstance(given, str) else shlex.join(map(str, given))
  experiment = str((results.get("schema") or {}).get("name", "detection"))
  line = [f"bin/{binary(experiment)}"]
  config = results.get("config") or {}
  made = EXPERIMENTS.get(experiment)
  hides = made is None or (experiment != "detection" and bool(made.defaults.get("hfc")))
  vain = without_effect(config, hides, made is None or made.trains_others,
                        made is None or made.several_budgets)  # fmt: skip
  line += [f"--{flag}={value}" for flag, value in (results.get("options") or {}).items()]
  for field, value in config.items():
    key = _FLAGS.get(field, field)
    if key in vain:  # they would be refused
      continue
    if isinstance(value, bool):
      line.append(f"--{key}" if value else f"--no{key}")
    elif isinstance(value, list):
      line.append(f"--{key}={','.join(map(str, value))}")
    elif value is not None and not isinstance(value, Mapping):
      line.append(f"--{key}={value}")
  return shlex.join(line)
