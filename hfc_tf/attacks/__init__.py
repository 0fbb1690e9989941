"""Attacks: objective x update x ball = one loop, and two that are no such loop."""

from hfc_tf.attacks.apgd import APGD
from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.bim import BIM
from hfc_tf.attacks.budget import schedule
from hfc_tf.attacks.cw import CW
from hfc_tf.attacks.cw_l2 import CWL2
from hfc_tf.attacks.deepfool import DeepFool
from hfc_tf.attacks.detector_aware import OrthogonalPGD, SelectivePGD
from hfc_tf.attacks.di import DI
from hfc_tf.attacks.fgsm import FGSM
from hfc_tf.attacks.hfc import HFCAttack
from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.attacks.mim import MIM
from hfc_tf.attacks.noise import sign_noise
from hfc_tf.attacks.objectives import mean_gap
from hfc_tf.attacks.pgd import PGD
from hfc_tf.attacks.registry import ATTACKS, named
from hfc_tf.attacks.targets import choose_targets
from hfc_tf.attacks.tim import TIM

__all__ = [
  "APGD",
  "ATTACKS",
  "BIM",
  "CW",
  "CWL2",
  "DI",
  "FGSM",
  "MIM",
  "PGD",
  "TIM",
  "Attack",
  "DeepFool",
  "GradientAttack",
  "HFCAttack",
  "OrthogonalPGD",
  "SelectivePGD",
  "choose_targets",
  "mean_gap",
  "named",
  "schedule",
  "sign_noise",
]
