"""The basic iterative method."""

from hfc_tf.attacks.loop import GradientAttack


class BIM(GradientAttack):
  """x_{t+1} = Pi_eps(x_t - alpha sign(grad_x J)), x_0 = x   (Kurakin et al., 2017; TMI Eq. 3)."""
