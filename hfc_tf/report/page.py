"""What a page shows: one template, which needs no network, and what fills it."""

import base64
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jinja2

from hfc_tf.experiments import EXPERIMENTS
from hfc_tf.report.figures import Figure
from hfc_tf.results.labels import attack_label, model_label, number, percent
from hfc_tf.results.result import Table
from hfc_tf.study.flags import without_effect

_MOST_CLASSES = 20  # of a confusion matrix that a page shows
_FLAGS = {  # of the configuration's fields that have another name
  "attacks": "attack",
  "hfc_weights": "hfc_weight",
  "eps_256": "eps",
  "step_size_256": "step_size",
}


def render(context: Mapping[str, Any]) -> bytes:
  """A page from page.html beside this file; whatever it is given is escaped."""
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader("hfc_tf.report", "."),
    autoescape=True,  # names and paths come from strangers
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
  )
  return environment.get_template("page.html").render(context).encode(errors="backslashreplace")


def frame(results: Mapping[str, Any]) -> dict[str, Any]:
  """What every page says: warnings, whether images are drawn, how it was made."""
  return {
    "warnings": results.get("warnings") or [],
    "synthetic": (results.get("data") or {}).get("source") == "synthetic",
    "settings": [
      (title, list(_flat(results[key])))
      for key, title in (
        ("data", "Data"), ("classifier", "Classifier"), ("config", "Configuration"),
        ("environment", "Environment"), ("timing", "Timing"),
      )
      if results.get(key)
    ],
    "command": command(results),
    "classified": classified(results),
  }  # fmt: skip


def classified(results: Mapping[str, Any]) -> dict[str, Any] | None:
  """How good the classifier is on Test: a sentence and the confusion matrix; or None."""
  classifier = results.get("classifier") or {}
  confusion = classifier.get("confusion")
  if not confusion:
    return None
  names = (results.get("data") or {}).get("class_names") or []
  return {
    "line": f"Accuracy {percent(classifier['accuracy'], unit=True)}, balanced accuracy (the mean "
    f"recall of the classes) {percent(classifier['balanced_accuracy'], unit=True)}, AUC "
    f"{percent(classifier.get('auc'), unit=True)}.",
    "table": _confusion_table(names, confusion) if len(confusion) <= _MOST_CLASSES else None,
  }


def _confusion_table(names: Sequence[str], confusion: Sequence[Sequence[int]]) -> Table:
  names = names if len(names) == len(confusion) else list(map(str, range(len(confusion))))
  body = [[name, *map(str, counts)] for name, counts in zip(names, confusion, strict=True)]
  caption = "Test images by true class (rows) and predicted class (columns)."
  return Table(caption, ["True class", *names], body)


def embedded(figures: Sequence[Figure]) -> list[tuple[Figure, str]]:
  """Figures with their pictures in base64, as a page holds them."""
  return [(figure, base64.b64encode(figure.png).decode()) for figure in figures]


def facts(results: Mapping[str, Any], images: str) -> list[str]:
  """The line under a title: images, classifier, side, attacks, budgets, steps, seed."""
  data, config = results.get("data") or {}, results.get("config") or {}
  name = (results.get("classifier") or {}).get("name")

  def every(field: str) -> list[Any]:
    values = (row.get(field) for row in results.get("rows") or [])
    return list(dict.fromkeys(value for value in values if value is not None))

  budgets = ", ".join(dict.fromkeys(number(eps, 3) for eps in every("eps_256")))
  steps = ", ".join(map(str, every("steps")))
  line = [
    images,
    model_label(str(name)) if name else "",
    f"{data['image_size']} px" if data.get("image_size") else "",
    ", ".join(map(attack_label, every("attack"))),
    f"ε = {budgets} / 256" if budgets else "",
    f"{steps} steps" if steps else "",
    f"seed {config['seed']}" if config.get("seed") is not None else "",
  ]
  return [text for text in line if text]


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


def binary(experiment: str) -> str:
  """The executable that runs an experiment: "tsne" -> "run_tsne"."""
  return {"detection": "run_attack", "reproduce": "reproduce"}.get(experiment, f"run_{experiment}")


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
  vain = without_effect(config, hides, made is None or made.trains_others)
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
