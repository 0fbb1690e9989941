"""Are medical images easier to attack, and easier to hide in, than natural ones?

TMI Table V: detection without and with HFC on chest X-rays at 1/256 and on CIFAR-10 at 8/256 and
16/256; and TMI section V.F: the smallest budget with Adv. Acc >= 95 % in both domains.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import hiding_study, labelled_rows
from hfc_tf.experiments.natural import Natural
from hfc_tf.report import medical_natural as page
from hfc_tf.report.experiment import write_study
from hfc_tf.study import cases, hiding
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

NATURAL_BUDGETS = (8.0, 16.0)  # 1/256, TMI Table V


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row(DetectionRow):
  """One detector against one arm in one domain, "medical" or "natural"."""

  domain: str
  dataset: str


def run(
  config: Config,
  natural: Natural | None = None,
  budgets_256: Sequence[float] = NATURAL_BUDGETS,
) -> dict[str, Any]:
  """Attacks both domains and writes the report into config.out.

  Args:
    config: of the medical images; its first attack is made without and with HFC.
    natural: the other images; None where there are none.
    budgets_256: values of eps for them, in 1/256.

  Returns:
    What results.json holds; "smallest_eps_256" by domain, None where it was not tested or found.
  """
  begun = time.monotonic()
  medical, name = hiding_study(config)
  smallest: dict[str, float | None] = {"medical": _smallest(medical, name), "natural": None}
  rows = list(_rows(medical, "medical", name, [float(medical.config.eps_256 or 0)]))
  if natural is not None:
    other = natural.beside(medical, eps_256=budgets_256[0], step_size_256=None)
    smallest["natural"] = _smallest(other, name)
    rows += _rows(other, "natural", name, budgets_256)
    medical.warn(*(f"Natural images: {warning}" for warning in other.warnings))
  images = {"medical": medical.config.dataset, "natural": natural.dataset if natural else ""}
  section = page.section(name, rows, smallest, images, natural is not None)
  return write_study("medical_natural", medical, begun, rows, section, smallest_eps_256=smallest)


def _smallest(study: Study, name: str) -> float | None:
  found = hiding.smallest_budget(study, name)
  return None if found is None else 256 * found


def _rows(study: Study, domain: str, name: str, budgets: Sequence[float]) -> Iterator[Row]:
  for budget in budgets:
    case = cases.plain_and_hidden(study, name, eps=budget / 256)
    for _, row in labelled_rows(case):
      yield Row(**row, domain=domain, dataset=study.config.dataset)
