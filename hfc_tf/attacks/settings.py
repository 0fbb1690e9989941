"""What an attack says of itself: in one line, as plain values, and as a configuration."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Self

from hfc_tf.attacks.describe import plain, shown
from hfc_tf.errors import InputError

_CURRENT = ("eps", "step_size", "steps", "targeted", "seed", "batch_size", "free_channels")
_PLAIN = bool | int | float | str | None


class Described:
  """The attack's settings, in the forms that people, caches and Keras's users want."""

  _kind = ""  # the class that descriptions name, where it is not this one
  _arguments: tuple[tuple[Any, ...], dict[str, Any]]  # of the constructor

  def __new__(cls, *arguments: Any, **settings: Any) -> Self:
    """Keeps what the constructor is given."""
    made = object.__new__(cls)
    vars(made)["_arguments"] = arguments, settings
    return made

  def __repr__(self) -> str:
    this: Any = self
    low, high = this.model.bounds
    settings = [
      f"{name}={value:g} ({256 * value / (high - low):g}/256 of [{low:g}, {high:g}])"
      for name, value in (("eps", this.eps), ("step_size", this.step_size))
      if value is not None
    ]
    settings += [f"{name}={getattr(self, name)}" for name in ("steps", "targeted", "seed")]
    terms = [f"{this.weights[term.name]:g} * {shown(term)}" for term in this.objective.terms]
    settings += [f"objective={' + '.join(terms)}"] if terms else []
    return f"{self._label()}({', '.join(settings)})"

  def _label(self) -> str:
    return type(self).__name__

  def describe(self) -> dict[str, Any]:
    """All that the result depends on beside images, classes, ids and model, as plain JSON values.

    Arrays stand as their digest.
    """
    this: Any = self
    settings: dict[str, Any] = {
      name: plain(value)
      for name, value in vars(self).items()
      if name not in ("model", "objective") and not name.startswith("_")
    }
    terms = {term.name: term.description for term in this.objective.terms}
    return {"class": self._kind or type(self).__name__, "objective": terms, **settings}

  def get_config(self) -> dict[str, Any]:
    """Plain JSON values from which `from_config` makes the same attack.

    "objects" names what it was given beside them (a density, taps, an objective, a detector),
    which `from_config` is given again.

    Raises:
      InputError: for an attack that its constructor does not make, such as `attack + term`.
    """
    this: Any = self
    arguments, keywords = self._arguments
    given = inspect.signature(type(self).__init__).bind(self, *arguments, **keywords).arguments
    given |= given.pop("settings", {})
    given = {name: value for name, value in given.items() if name not in ("self", "model")}
    objects = {name: value for name, value in given.items() if not isinstance(value, _PLAIN)}
    plain_ones = {name: value for name, value in given.items() if name not in objects}
    now = {name: getattr(self, name) for name in (*plain_ones, *_CURRENT) if name in vars(self)}
    now = {name: value for name, value in now.items() if value is not None}
    config: dict[str, Any] = {"class_name": type(self).__name__, "objects": sorted(objects)}
    config |= {"weights": dict(this.weights), **plain_ones, **now}
    if type(self).from_config(config, this.model, **objects).describe() != self.describe():
      remedy = "construct it with all its settings"
      raise InputError("an attack as its constructor makes it", "one changed later", remedy)
    return config

  @classmethod
  def from_config(cls, config: Mapping[str, Any], model: Any, **objects: Any) -> Self:
    """The attack of a configuration.

    Args:
      config: of `get_config`.
      model: the tapped model to attack.
      objects: what the configuration names under "objects", e.g. density=.

    Raises:
      InputError: for the configuration of another class, and other objects.
    """
    settings = dict(config)
    name, wanted = settings.pop("class_name", None), settings.pop("objects", [])
    if name != cls.__name__:
      raise InputError(f"a configuration of {cls.__name__}", repr(name), "take that class")
    if sorted(objects) != sorted(wanted):
      given = ", ".join(sorted(objects)) or "none"
      remedy = f"pass {', '.join(f'{each}=' for each in wanted) or 'none'}"
      raise InputError(f"the objects {', '.join(wanted) or 'none'}", given, remedy)
    weights = settings.pop("weights", {})
    made: Any = cls(model, **objects, **settings)
    made.weights = {**made.weights, **weights}
    attack: Self = made
    return attack
