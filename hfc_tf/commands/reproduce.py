"""The command that runs every experiment."""

from __future__ import annotations

import dataclasses

from absl import flags

from hfc_tf.commands import natural, program
from hfc_tf.commands.flags import define, typed
from hfc_tf.experiments import EXPERIMENTS
from hfc_tf.study import values

flags.disclaim_key_flags()  # so that --help of a command shows them as its own


def reproduce() -> None:
  """Runs every experiment of the papers: reproduce --budget_minutes=60."""
  make_config = define(hides=True, trains_others=True)
  only = flags.DEFINE_list("only", None, f"{', '.join(EXPERIMENTS)}; none: all.")
  make_natural = natural.define()
  budget = flags.DEFINE_float(
    "budget_minutes", None, "Start no experiment that is expected to end later; none: run all."
  )

  def main() -> None:
    config, images = make_config(), make_natural()
    dataclasses.replace(config, hfc=True).resolved()
    values.several("--only", only.value, EXPERIMENTS)
    values.real("--budget_minutes", budget.value, 0, low_fits=True)
    experiments, report = map(program.load, ("hfc_tf.experiments.reproduce", "hfc_tf.report"))
    experiments.run(config, report.write, only.value or (), images, budget.value, typed())
    program.say(f"report: {config.out}/report.html")

  program.run(main, reproduce.__doc__)
