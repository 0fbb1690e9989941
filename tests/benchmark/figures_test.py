import dataclasses

import pytest

from benchmarks.figures import FIGURES
from benchmarks.peers import CONTENDERS
from benchmarks.run import Row, _rows
from benchmarks.settings import Settings, parse_peer_python
from hfc_tf.errors import InputError

NAMED = {
  "loop_vs_torch_eager", "loop_vs_torch_compile", "loop_vs_published", "loop_vs_art",
  "loop_vs_foolbox", "loop_vs_cleverhans", "loop_vs_best_rate", "bf16_vs_fp32",
  "hfc_vs_plain_m64", "published_hfc_vs_plain_m64", "em_low_rank_minutes",
  "peak_memory_hfc_gib",
}  # fmt: skip


def test_every_figure_has_its_contenders():
  assert set(FIGURES) >= NAMED
  assert {one for figure in FIGURES.values() for one in figure.contenders} == set(CONTENDERS)


def seconds(*values):
  return {"seconds": list(values), "peak_gib": [2.0, 2.1, 2.2][: len(values)]}


def test_ratios_are_taken_round_by_round():
  samples = {"own": seconds(1.0, 2.0, 1.0), "torch_eager": seconds(3.0, 3.0, 2.0)}
  (row,) = _rows("loop_vs_torch_eager", FIGURES["loop_vs_torch_eager"].values(samples))
  assert dataclasses.asdict(row) == {
    "figure": "loop_vs_torch_eager", "value": 2.0, "low": 1.75, "high": 2.5, "goal": 1.5,
    "better": "higher",
  }  # fmt: skip


def test_costs_are_taken_the_other_way_round():
  samples = {"own": seconds(1.0), "own_hfc": seconds(1.25), "published": seconds(4.0)}
  assert _rows("hfc_vs_plain_m64", FIGURES["hfc_vs_plain_m64"].values(samples)) == [
    Row("hfc_vs_plain_m64", 1.25, 1.25, 1.25, 1.1, "lower")
  ]
  assert FIGURES["peak_memory_hfc_gib"].values(samples) == {"peak_memory_hfc_gib": [2.0]}


def test_share_of_the_best_rate():
  rates = {
    "step_gflop": [80.0, 80.0],
    "peak_gib": [1.0, 1.0],
    "product_1024_float32": [100.0, 200.0],
    "convolutions_float32": [160.0, 100.0],
    "product_1024_bfloat16": [500.0, 400.0],
  }
  figures = FIGURES["loop_vs_best_rate"].values({"own": seconds(1.0, 0.5), "rates": rates})
  assert figures["loop_vs_best_rate"] == [0.5, 0.8]
  assert figures["loop_gflops"] == [80.0, 160.0]
  assert figures["best_rate_fp32_gflops"] == [160.0, 200.0]
  assert figures["best_rate_bf16_gflops"] == [500.0, 400.0]
  assert figures["product_1024_bfloat16_gflops"] == [500.0, 400.0] and len(figures) == 7
  goals = {row.figure: row.goal for row in _rows("loop_vs_best_rate", figures)}
  assert goals.pop("loop_vs_best_rate") == 0.85 and set(goals.values()) == {None}


def test_cost_linear_in_images_and_pixels_has_exponent_one():
  points = {f"images_{n}": [0.1 * n, 0.2 * n] for n in (4, 8, 16)}
  points |= {f"size_{n}": [1e-5 * n**2] * 2 for n in (64, 112, 224)}
  points |= {"taps_0": [1.0, 1.0], "components_1": [1.0, 1.0], "peak_gib": [1.0, 1.0]}
  figures = FIGURES["scaling"].values({"scaling": points})
  assert figures["scaling_images_exponent"] == pytest.approx([1.0, 1.0])
  assert figures["scaling_pixels_exponent"] == pytest.approx([1.0, 1.0])
  assert figures["scaling_taps_0"] == [1.0, 1.0] and "scaling_peak_gib" not in figures


def test_the_density_has_its_time_its_memory_and_its_likelihood_beside_other_models():
  samples = {
    f"density_{covariance}": {
      "seconds": [60.0 * number], "peak_gib": [2.0], "log_likelihood": [-10.0 * number],
      "seconds_narrow": [6.0 * number], "log_likelihood_narrow": [-float(number)],
    }
    for number, covariance in enumerate(("low_rank", "diag", "full"), start=1)
  }  # fmt: skip
  assert FIGURES["em_low_rank_minutes"].values(samples) == {
    "em_low_rank_minutes": [1.0], "em_low_rank_peak_gib": [2.0],
    "em_low_rank_log_likelihood": [-10.0], "em_low_rank_log_likelihood_narrow": [-1.0],
    "em_low_rank_minutes_narrow": [0.1], "em_diag_minutes": [2.0], "em_diag_minutes_narrow": [0.2],
    "em_diag_log_likelihood": [-20.0], "em_diag_log_likelihood_narrow": [-2.0],
    "em_full_minutes_narrow": [0.3], "em_full_log_likelihood_narrow": [-3.0],
  }  # fmt: skip


@pytest.mark.parametrize(
  ("settings", "line"),
  [
    ({"only": ("loop_vs_jax",)}, "expected figures among loop_vs_torch_eager.*'loop_vs_jax'"),
    ({"peer_python": {"jax": "python"}}, "packages torch, art, foolbox, cleverhans; found 'jax'"),
    ({"model": "lenet"}, "a model among .*found 'lenet'"),
    ({"repeats": 0}, "--repeats of at least 1"),
    ({"em_images": 100}, "--em_images of at least 128"),
  ],
)
def test_wrong_settings_are_one_line(settings, line):
  with pytest.raises(InputError, match=line) as error:
    Settings(**settings).resolved()
  assert "\n" not in str(error.value)


def test_peer_python():
  assert parse_peer_python(["torch=/a/python", "art=b=c"]) == {"torch": "/a/python", "art": "b=c"}
  with pytest.raises(InputError, match="PACKAGE=INTERPRETER"):
    parse_peer_python(["/a/python"])


def test_without_a_choice_all_are_measured():
  settings = Settings().resolved()
  assert settings.only == tuple(FIGURES) and settings.threads >= 1
