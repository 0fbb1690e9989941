"""The main experiment: do detectors that see an attack still see it under HFC?

MICCAI Table 2 and TMI Table I: every detector learns from the attack without HFC on AdvTrain and
is asked about AdvTest, attacked without and with HFC in the same number of steps.
"""

from __future__ import annotations

import time
from typing import Any

from hfc_tf.report import detection as page
from hfc_tf.study import cases
from hfc_tf.study.cases import Case as Case
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study


def run(config: Config) -> dict[str, Any]:
  """Runs the study and writes its report into config.out.

  Returns:
    What results.json holds.

  Raises:
    InputError: for whatever in flags, data or model cannot be used.
  """
  begun = time.monotonic()
  study = Study(config.resolved())
  found: dict[str, Case] = {}
  start = 1.0
  for attack in study.config.attacks:
    found[attack] = cases.plain_and_hidden(study, attack, start=start)
    start = found[attack].auto or start
  return page.write(study, found, begun)
