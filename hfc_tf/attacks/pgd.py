"""Projected gradient descent."""

from hfc_tf.attacks.loop import GradientAttack


class PGD(GradientAttack):
  """BIM from x_0 = x + U(-eps, eps)   (Madry et al., 2018)."""

  random_start = True
