"""Attacks: objective x update x ball = one loop."""

from hfc_tf.attacks.bim import BIM
from hfc_tf.attacks.hfc import ATTACKS, HFCAttack, named
from hfc_tf.attacks.loop import Attack, schedule
from hfc_tf.attacks.noise import sign_noise
from hfc_tf.attacks.pgd import PGD
from hfc_tf.attacks.targets import choose_targets

__all__ = [
  "ATTACKS",
  "BIM",
  "PGD",
  "Attack",
  "HFCAttack",
  "choose_targets",
  "named",
  "schedule",
  "sign_noise",
]
