"""Attacks push features in one direction: Theorems I and II, checked.

MICCAI Fig. 2 and section 3, TMI Fig. 2 and 3 and section III.A: the changes of the penultimate
features z follow the weights w_ic - w_iy of the last layer, are alike in all attacks and all
iterations of BIM, and the gradient

    grad_z_i J = sum_{k != c} p_k (w_ik - w_ic)    (TMI Eq. 12; Eq. 8 for two classes)

never changes its sign on the channels where w_ic is the largest weight ('Consistent_c'; with two
classes: on every channel).
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import time
from typing import Any

import numpy as np

from hfc_tf.attacks import Attack
from hfc_tf.errors import InputError
from hfc_tf.experiments import measures
from hfc_tf.report import gradient_direction as page
from hfc_tf.report.experiment import write_study
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class DirectionRow:
  """One figure; `kind` says which of the fields it fills.

  "weights": mean cosine of an image's change dz with w_c - w_y, and the correlation over channels
  of the mean change with w_ic - w_iy (of the commonest pair of classes). "pair": mean cosine of
  the changes of one image under two attacks. "gradient": largest difference between Eq. 12 and the
  automatic gradient, in units of the largest |w_ik - w_ic|, and shares of (image, channel) whose
  gradient kept its sign from the clean image up to this step, on 'Consistent_c' and elsewhere.
  """

  kind: str
  attack: str
  step: int
  other_attack: str | None = None
  other_step: int | None = None
  cosine: float | None = None
  correlation: float | None = None
  gradient_error: float | None = None
  same_sign: float | None = None
  same_sign_elsewhere: float | None = None
  n: int = 0


def run(config: Config, iterations: tuple[int, ...] = (1, 2, 5, 10, 20)) -> dict[str, Any]:
  """Attacks AdvTest with each attack and with BIM cut short; writes the report into config.out.

  Args:
    config: its attacks are compared; BIM always is.
    iterations: after how many of its steps BIM is looked at, beside the last.

  Returns:
    What results.json holds.

  Raises:
    InputError: for a classifier that does not end in a dense layer.
  """
  begun = time.monotonic()
  study = Study(config.resolved())
  aimed = study.aimed("adv_test")
  clean, targets = study.clean["adv_test"][aimed], study.targets["adv_test"][aimed]
  if clean.head is None:
    raise InputError("a classifier that ends in a dense layer", "another", "choose another --model")
  steps = int(study.config.steps or 0)
  bim = study.attack("bim")
  found: dict[tuple[str, int], Taps] = {}
  for step in (*sorted({t for t in iterations if 0 < t < steps}), steps):
    early = copy.copy(bim)  # shares the compiled loop; the size of a step stays
    early.steps = step
    found["bim", step] = _taps(study, "bim", early)
  for name in study.config.attacks:
    if name != "bim":
      attack = study.attack(name)
      found[name, attack.steps] = _taps(study, name, attack)
  kernel, bias = (np.asarray(part, np.float64) for part in clean.head)  # [C, K], [K]
  constant = measures.consistent(kernel, targets)  # [N, C]
  relevant = np.ones_like(constant) if kernel.shape[1] == 2 else constant
  z = {key: taps.features[taps.penultimate].astype(np.float64) for key, taps in found.items()}
  start = clean.features[clean.penultimate].astype(np.float64)
  changes = {key: values - start for key, values in z.items()}  # [N, C]
  direction = kernel.T[targets] - kernel.T[clean.labels]  # w_c - w_y, [N, C]
  pair = measures.commonest(clean.labels, targets)
  rows = [
    DirectionRow(
      "weights", *key, n=len(change), cosine=measures.cosine(change, direction, relevant),
      correlation=measures.correlation(change[pair].mean(0), direction[pair][0]),
    )
    for key, change in changes.items()
  ]  # fmt: skip
  rows += [
    DirectionRow("pair", *a, *b, n=len(start), cosine=measures.cosine(values, others, relevant))
    for (a, values), (b, others) in itertools.combinations(changes.items(), 2)
  ]
  path = {("bim", 0): start} | {key: values for key, values in z.items() if key[0] == "bim"}
  told = measures.gradient_path(list(path.values()), kernel, bias, targets, constant)
  rows += [
    DirectionRow("gradient", *key, n=len(start), gradient_error=error, same_sign=same,
                 same_sign_elsewhere=other)
    for key, (error, same, other) in zip(path, told, strict=True)
  ]  # fmt: skip
  example = changes["bim", steps][pair].mean(0)
  section = page.section(study, rows, direction[pair][0], example)
  return write_study("gradient_direction", study, begun, rows, section)


def _taps(study: Study, name: str, attack: Attack) -> Taps:
  taps, _ = study.taps_of(study.attacked(name, attack, "adv_test"), "adv_test")
  return taps[study.aimed("adv_test")]
