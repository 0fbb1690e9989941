"""For users of Foolbox: an attack of this library as one of theirs.

    attack = foolbox.Attack(hfc_tf.HFCAttack(model, density, eps=1/256))
    criterion = fb.criteria.TargetedMisclassification(targets)
    raw, clipped, success = attack(fmodel, images, criterion, epsilons=[1/256, 2/256])
"""

from __future__ import annotations

import copy
from typing import Any

import eagerpy
import foolbox
import numpy as np
from foolbox.attacks.base import FixedEpsilonAttack, get_criterion

from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.errors import InputError


class Attack(FixedEpsilonAttack):  # type: ignore[misc]
  """An attack within an L-infinity ball as a `foolbox.Attack`, for one epsilon or several.

  Args:
    attack: on the tapped form of the model that Foolbox is given; epsilons are in units of its
      bounds, its step size keeps its share of the budget.
  """

  distance = foolbox.distances.linf

  def __init__(self, attack: GradientAttack) -> None:
    if not isinstance(attack, GradientAttack):
      found = type(attack).__name__
      raise InputError("an attack within an L-infinity ball", found, "e.g. hfc_tf.PGD(model)")
    self.attack = attack

  def run(self, model: Any, inputs: Any, criterion: Any, *, epsilon: float, **kwargs: Any) -> Any:
    """Adversarial images of the type of `inputs`, within `epsilon`.

    Args:
      model: of Foolbox; its bounds and its predictions must be those of the tapped model.
      inputs: [N, H, W, C] in the bounds.
      criterion: `TargetedMisclassification`, classes or, for an attack made with targeted=False,
        `Misclassification`.
      epsilon: the radius.

    Raises:
      InputError: other bounds or predictions, or a criterion that the attack does not pursue.
    """
    images, restore = eagerpy.astensor_(inputs)
    given = get_criterion(criterion)
    targeted = isinstance(given, foolbox.criteria.TargetedMisclassification)
    if not targeted and not isinstance(given, foolbox.criteria.Misclassification):
      raise InputError("a criterion of one class an image", repr(given), "name classes")
    if targeted != self.attack.targeted:
      expected = f"an attack made with targeted={targeted} for {given!r}"
      raise InputError(expected, f"targeted={self.attack.targeted}", "construct it so")
    tapped, array = self.attack.model, images.numpy()
    if tuple(model.bounds) != tuple(tapped.bounds):
      raise InputError(f"bounds {tuple(tapped.bounds)}", str(tuple(model.bounds)), "make them one")
    some = array[:4]
    theirs = eagerpy.astensor(model(images[:4])).numpy().argmax(axis=1)
    ours = tapped.taps(some, np.zeros(len(some), int)).predictions
    if (theirs != ours).any():
      raise InputError("the model that was tapped", "one of other predictions", "tap this one")
    within = copy.copy(self.attack)
    if within.eps and within.step_size:
      within.step_size = within.step_size * epsilon / within.eps
    within.eps = epsilon
    classes = given.target_classes if targeted else given.labels
    return restore(eagerpy.from_numpy(images, within(array, classes.numpy())))
