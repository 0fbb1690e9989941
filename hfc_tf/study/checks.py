"""What makes an attack look weak for the wrong reason, looked for before it is believed."""

from __future__ import annotations

import copy

import numpy as np

from hfc_tf.attacks import Attack
from hfc_tf.evaluation import sanity
from hfc_tf.study.study import Study


def check(study: Study, name: str, attack: Attack) -> None:
  """Adds to the study's warnings what makes this attack look weak for the wrong reason.

  One chunk of AdvTrain images is attacked again with half of the steps.
  """
  targets, aimed = study.targets["adv_train"], study.aimed("adv_train")
  commonest = np.bincount(targets[aimed]).argmax()
  some = np.flatnonzero(aimed & (targets == commonest))[: study.config.batch_size]
  clean = study.images("adv_train", some)
  study.warn(*sanity.silent_gradients(study.victim.model, clean, targets[some]))
  if attack.steps < 2:
    return
  half = copy.copy(attack)  # shares the compiled loop
  half.steps //= 2
  success = [
    study.victim.model.taps(study.attacked(name, each, "adv_train", some)).predictions
    == targets[some]
    for each in (attack, half)
  ]
  study.warn(*sanity.weaker_than_half(name, *success))
