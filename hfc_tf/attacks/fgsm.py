"""The fast gradient sign method."""

from __future__ import annotations

from hfc_tf.attacks.loop import GradientAttack


class FGSM(GradientAttack):
  """x - eps sign(grad_x J(x)), one step whatever schedule is given   (Goodfellow et al., 2015)."""

  def _plan(self, eps: float, step_size: float | None, steps: int | None) -> tuple[float, int]:
    return eps, 1
