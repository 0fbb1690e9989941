"""Which flags have no effect in a study, and which layers --layers names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hfc_tf.data import OPTIONS
from hfc_tf.errors import InputError


def without_effect(
  config: Mapping[str, Any], hides: bool, trains_others: bool, several_budgets: bool = True
) -> dict[str, str]:
  """Flags that change nothing in a study (fields of `Config`), and what they need.

  Args:
    hides: whether the command adds the HFC term whatever --hfc says.
    trains_others: whether it trains classifiers beside the one of --model_path.
    several_budgets: whether its budgets vary.
  """
  given = config.get
  hfc = given("hfc", True) or hides
  weights = given("hfc_weights") or ()
  automatic, balanced = hides or "auto" in weights, hides or "balanced" in weights
  alone = given("model_path") and not trains_others
  rules = (  # (flags, whether they have an effect, what they need)
    (("tuning_images",), automatic, "--hfc_weight=auto"),
    (("hfc_squeezing",), balanced, "--hfc_weight=balanced"),
    (("hfc_weight", "hfc_squeezing", "aim", "tuning_images"), hfc, "--hfc"),
    *((
      (name,), given("data_dir") and given("dataset") in sets,
      f"--data_dir with --dataset={', '.join(sets)}",
    ) for name, sets in OPTIONS.items()),
    (("classes",), given("model_path"), "--model_path"),
    (("workers",), not given("ray_address"), "no --ray_address"),
    (("ray_address", "workers", "threads"), given("distribute") == "ray", "--distribute=ray"),
    (("preprocessing",),
     given("model_path") or given("weights") != "imagenet" or given("preprocessing") == "auto",
     "no --weights=imagenet"),
    (("fixed",), several_budgets, "an experiment of several budgets"),
    (("model", "weights", "epochs", "crop", "learning_rate", "model_seed"), not alone,
     "no --model_path"),
  )  # fmt: skip
  return {name: needed for names, effective, needed in rules if not effective for name in names}


def choose_layers(wanted: Sequence[str], taps: Iterable[str], default: Sequence[int]) -> list[str]:
  """The taps that --layers names, by name or number from 1, in the order of the network.

  Where none are wanted, the default: numbers among ResNet-50's 49 activations; in another network
  the layers at these relative depths stand for them.
  """
  names = list(taps)
  places = {max(0, round(number * len(names) / 49) - 1) for number in default}
  if wanted:
    known = {name: place for place, name in enumerate(names)}
    known = {str(place): place - 1 for place in range(1, len(names) + 1)} | known
    unknown = [layer for layer in wanted if layer not in known]
    if unknown:
      expected = f"a layer from 1 to {len(names)} or among {', '.join(names)}"
      raise InputError(expected, repr(unknown[0]), "name one")
    places = {known[layer] for layer in wanted}
  return [names[place] for place in sorted(places)]
