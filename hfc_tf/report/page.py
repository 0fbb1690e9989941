"""Writes the report: one page that needs no network, and its figures as files."""

import base64
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jinja2

from hfc_tf.experiments import EXPERIMENTS
from hfc_tf.report.figures import Figure
from hfc_tf.report.results import plain
from hfc_tf.report.rows import Rows, percent
from hfc_tf.report.tables import beside_the_papers, detection_table, overview
from hfc_tf.report.verdict import verdict
from hfc_tf.report.words import DATASETS, attack_label, model_label, number
from hfc_tf.study.flags import without_effect

_MOST_CLASSES = 20  # of a confusion matrix that a page shows
_FLAGS = {  # of the configuration's fields that have another name
  "attacks": "attack",
  "hfc_weights": "hfc_weight",
  "eps_256": "eps",
  "step_size_256": "step_size",
}


def report_files(
  results: Mapping[str, Any], figures: Sequence[Figure] = (), notes: Sequence[str] = ()
) -> dict[str, bytes]:
  """report.html, self-contained, and figures/*.png.

  Args:
    results: as `completed` returns them: config, environment, timing, data, classifier, rows and,
      where there are any, warnings (lines that stand above the title) and the command.
    figures: pictures in the order of the page.
    notes: sentences on how the numbers came about.
  """
  page = render("report.html", _context(plain(results), figures, notes))
  return {f"figures/{figure.name}.png": figure.png for figure in figures} | {"report.html": page}


def render(template: str, context: Mapping[str, Any]) -> bytes:
  """A page from one of the templates beside this file; whatever it is given is escaped."""
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader("hfc_tf.report", "."),
    autoescape=True,  # names and paths come from strangers
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
  )
  return environment.get_template(template).render(context).encode(errors="backslashreplace")


def frame(results: Mapping[str, Any]) -> dict[str, Any]:
  """What base.html says of every page: warnings, whether images are drawn, how it was made."""
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
  """How good the classifier is on Test: a sentence, class names, confusion matrix; or None."""
  found = results.get("classifier") or {}
  confusion = found.get("confusion")
  if not confusion:
    return None
  names = (results.get("data") or {}).get("class_names") or []
  return {
    "line": f"Accuracy {percent(found['accuracy'], unit=True)}, balanced accuracy (the mean recall "
    f"of the classes) {percent(found['balanced_accuracy'], unit=True)}, AUC "
    f"{percent(found.get('auc'), unit=True)}.",
    "names": names if len(names) == len(confusion) else [str(k) for k in range(len(confusion))],
    "confusion": confusion if len(confusion) <= _MOST_CLASSES else [],
  }


def embedded(figures: Sequence[Figure]) -> list[tuple[Figure, str]]:
  """Figures with their pictures in base64, as a page holds them."""
  return [(figure, base64.b64encode(figure.png).decode()) for figure in figures]


def _context(
  results: Mapping[str, Any], figures: Sequence[Figure], notes: Sequence[str]
) -> dict[str, Any]:
  data, rows = results.get("data") or {}, Rows(results.get("rows") or [])
  dataset = str(data.get("name", ""))
  arms: list[str | None] = list(rows.arms) or [None]
  tables = {
    population: [detection_table(rows, population, arm) for arm in arms]
    for population in rows.populations
  }
  main = rows.populations[:1]
  budgets = dict.fromkeys(number(column.eps_256, 3) for column in rows.columns)
  steps = dict.fromkeys(str(row["steps"]) for row in rows.rows if row.get("steps") is not None)
  return {
    **frame(results),
    "title": f"Detecting adversarial {DATASETS.get(dataset, f'images ({dataset})')}",
    "facts": facts(
      results,
      ", ".join(dict.fromkeys(attack_label(column.attack) for column in rows.columns)),
      f"ε = {', '.join(budgets)} / 256" if budgets else "",
      f"{', '.join(steps)} steps" if steps else "",
    ),
    "verdict": verdict(rows) if rows.rows else ["There are no rows to report."],
    "overview": overview(rows) if rows.rows else [],
    "legend": ["without HFC", *(f"with {rows.arm_words(arm)}" for arm in rows.arms[:2])],
    "tables": [table for population in main for table in tables[population]],
    "other_tables": [t for population in rows.populations[1:] for t in tables[population]],
    "published": beside_the_papers(rows, dataset) if rows.rows else {"tables": []},
    "figures": embedded(figures),
    "notes": list(notes),
  }


def facts(results: Mapping[str, Any], first: str, *more: str) -> list[str]:
  """The line under a title: `first`, the classifier, the images' side, `more`, the seed."""
  data, config = results.get("data") or {}, results.get("config") or {}
  name = (results.get("classifier") or {}).get("name")
  found = [
    first,
    model_label(str(name)) if name else "",
    f"{data['image_size']} px" if data.get("image_size") else "",
    *more,
    f"seed {config['seed']}" if config.get("seed") is not None else "",
  ]
  return [words for words in found if words]


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
  words = [f"bin/{binary(experiment)}"]
  config = results.get("config") or {}
  made = EXPERIMENTS.get(experiment)
  hides = made is None or (experiment != "detection" and bool(made.defaults.get("hfc")))
  vain = without_effect(config, hides, made is None or made.trains_others)
  for field, value in config.items():
    key = _FLAGS.get(field, field)
    if key in vain:  # they would be refused
      continue
    if isinstance(value, bool):
      words.append(f"--{key}" if value else f"--no{key}")
    elif isinstance(value, list):
      words.append(f"--{key}={','.join(map(str, value))}")
    elif value is not None and not isinstance(value, Mapping):
      words.append(f"--{key}={value}")
  return shlex.join(words)
