"""The figures: who is measured in the same rounds, what is made of it, and the goal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from benchmarks.timing import Samples

Values = dict[str, list[float]]  # row -> a value a round


@dataclasses.dataclass(frozen=True)
class Figure:
  """One figure.

  Attributes:
    block: figures of one block are measured in the same rounds.
    contenders: whom it needs.
    values: from samples to the rows that it makes; the goal is that of the row with its name.
    goal: what is aimed at; None: there is no goal.
    higher: whether more is better.
    meaning: what it says.
  """

  block: str
  contenders: tuple[str, ...]
  values: Callable[[Samples], Values]
  goal: float | None
  meaning: str
  higher: bool = True


def _ratio(name: str, slow: str, fast: str) -> Callable[[Samples], Values]:
  """Seconds of `slow` over seconds of `fast`, round by round."""

  def values(samples: Samples) -> Values:
    pairs = zip(samples[slow]["seconds"], samples[fast]["seconds"], strict=True)
    return {name: [above / below for above, below in pairs]}

  return values


def _faster(name: str, block: str, slow: str, goal: float, meaning: str) -> Figure:
  return Figure(block, ("own", slow), _ratio(name, slow, "own"), goal, meaning)


def _best(samples: Samples, dtype: str) -> list[float]:
  rates = [values for name, values in samples["rates"].items() if name.endswith(dtype)]
  return [float(best) for best in np.max(rates, axis=0)]


def _against_best_rate(samples: Samples) -> Values:
  best = _best(samples, "float32")
  loop = [
    work / seconds
    for work, seconds in zip(samples["rates"]["step_gflop"], samples["own"]["seconds"], strict=True)
  ]
  rates = {
    "loop_vs_best_rate": [mine / most for mine, most in zip(loop, best, strict=True)],
    "loop_gflops": loop,
    "best_rate_fp32_gflops": best,
    "best_rate_bf16_gflops": _best(samples, "bfloat16"),
  }
  return rates | {
    f"{name}_gflops": values
    for name, values in samples["rates"].items()
    if name.startswith(("product_", "convolutions_"))
  }


def _densities(samples: Samples) -> Values:
  """Of each model of covariance; "narrow" over the taps that have full covariances too."""
  rows = {"em_low_rank_peak_gib": samples["density_low_rank"]["peak_gib"]}
  for covariance in ("low_rank", "diag", "full"):
    sample = samples[f"density_{covariance}"]
    if covariance != "full":
      rows[f"em_{covariance}_minutes"] = [value / 60 for value in sample["seconds"]]
      rows[f"em_{covariance}_log_likelihood"] = sample["log_likelihood"]
    rows[f"em_{covariance}_minutes_narrow"] = [value / 60 for value in sample["seconds_narrow"]]
    rows[f"em_{covariance}_log_likelihood_narrow"] = sample["log_likelihood_narrow"]
  return rows


def _scaling(samples: Samples) -> Values:
  """Seconds a step at each point, and by which power of images and pixels they grow."""
  points = {f"scaling_{key}": values for key, values in samples["scaling"].items()}
  points.pop("scaling_peak_gib")
  exponents: Values = {}
  for axis, power in (("images", 1), ("size", 2)):
    chosen = {
      int(key.rpartition("_")[2]) ** power: values
      for key, values in points.items()
      if key.startswith(f"scaling_{axis}_")
    }
    logs = np.log(np.maximum(list(chosen.values()), 1e-6))  # [points, rounds]
    slopes = np.polyfit(np.log(list(chosen)), logs, 1)[0]
    quantity = "pixels" if axis == "size" else axis
    exponents[f"scaling_{quantity}_exponent"] = [float(slope) for slope in slopes]
  return exponents | points


FIGURES: dict[str, Figure] = {
  "loop_vs_torch_eager": _faster(
    "loop_vs_torch_eager", "torch", "torch_eager", 1.5, "PyTorch, eager, frozen weights"
  ),
  "loop_vs_torch_compile": _faster(
    "loop_vs_torch_compile", "torch", "torch_compile", 1.2, "PyTorch, torch.compile, frozen weights"
  ),
  "loop_vs_published": _faster(
    "loop_vs_published", "torch", "published", 2.5, "the published loop, both without HFC"
  ),
  "loop_vs_art": _faster("loop_vs_art", "tensorflow", "art", 2.0, "ART's PGD for TensorFlow"),
  "loop_vs_foolbox": _faster(
    "loop_vs_foolbox", "tensorflow", "foolbox", 2.0, "Foolbox's PGD for TensorFlow"
  ),
  "loop_vs_cleverhans": _faster(
    "loop_vs_cleverhans", "tensorflow", "cleverhans", 2.0, "CleverHans's PGD for TensorFlow"
  ),
  "loop_vs_best_rate": Figure(
    "rates", ("own", "rates"), _against_best_rate, 0.85, "share of the machine's best rate"
  ),
  "bf16_vs_fp32": Figure(
    "rates",
    ("own", "own_bf16"),
    _ratio("bf16_vs_fp32", "own", "own_bf16"),
    1.6,
    "the loop in bfloat16 against float32",
  ),
  "hfc_vs_plain_m64": Figure(
    "hfc",
    ("own", "own_hfc"),
    _ratio("hfc_vs_plain_m64", "own_hfc", "own"),
    1.1,
    "a step with HFC on every tap over one without",
    higher=False,
  ),
  "published_hfc_vs_plain_m64": Figure(
    "hfc",
    ("published", "published_hfc"),
    _ratio("published_hfc_vs_plain_m64", "published_hfc", "published"),
    None,
    "the same in the published form, taps wider than 512 left out",
    higher=False,
  ),
  "hfc_vs_published_m64": Figure(
    "hfc",
    ("own_hfc", "published_hfc"),
    _ratio("hfc_vs_published_m64", "published_hfc", "own_hfc"),
    None,
    "the published loop, both with HFC",
  ),
  "peak_memory_hfc_gib": Figure(
    "hfc",
    ("own_hfc",),
    lambda samples: {"peak_memory_hfc_gib": samples["own_hfc"]["peak_gib"]},
    round(3e9 / 2**30, 2),  # 3 GB
    "peak memory of a process that attacks with HFC, GiB",
    higher=False,
  ),
  "em_low_rank_minutes": Figure(
    "densities",
    ("density_low_rank", "density_diag", "density_full"),
    _densities,
    5.0,
    "minutes to fit the default density, every tap and class, beside scikit-learn's EM",
    higher=False,
  ),
  "scaling": Figure(
    "scaling",
    ("scaling",),
    _scaling,
    None,
    "seconds a step with HFC against images, taps, components and image size",
    higher=False,
  ),
}
