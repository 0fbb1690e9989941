"""The contenders that are no peers: the machine's rates and the library at several sizes."""

import pytest

from benchmarks.flops import step_flops
from benchmarks.peers import rates, scaling
from tests.networks import tiny


def test_rates_have_a_name_each(tmp_path, monkeypatch):
  monkeypatch.setattr(rates, "_SECONDS", 0)
  tiny().save(tmp_path / "network.keras")
  job = {"network": str(tmp_path / "network.keras"), "batch_size": 3, "sides": (8, 16)}
  machine = rates.Rates(job)
  assert machine.check() == {}
  result = machine.run(1)
  assert result.pop("step_gflop") == pytest.approx(3 * step_flops(tiny()) / 1e9)
  assert set(result) == {
    f"{kind}_{dtype}"
    for kind in ("product_8", "product_16", "convolutions")
    for dtype in ("float32", "bfloat16")
  }
  assert min(result.values()) > 0


def test_a_rate_is_work_by_time(monkeypatch):
  now = iter([10.0, 10.0, 10.1, 10.2, 10.4])  # begun, then before each repetition and at the end
  monkeypatch.setattr(rates.time, "perf_counter", lambda: next(now))
  calls = []
  assert rates._seconds(lambda: calls.append(1)) == pytest.approx(0.4 / 3)
  assert len(calls) == 3


def test_one_quantity_varies_along_each_axis(monkeypatch):
  monkeypatch.setitem(
    scaling.MODELS, "tiny", lambda shape, classes, seed: tiny((8, 8, 3), classes, seed)
  )
  monkeypatch.setattr(scaling, "_SMALLEST", 8)
  job = {"model": "tiny", "batch_size": 2, "components": 2, "image_size": 8}
  points = scaling.Scaling(job | {"eps": 4 / 256, "step_size": 1 / 256})
  points.check()
  assert set(points.run(1)) == {
    "images_1", "images_2", "images_3", "images_4", "taps_0", "taps_1", "taps_2",
    "components_1", "components_2", "components_4", "size_8",
  }  # fmt: skip
  assert "hfc" not in points._points["taps_0"][0].weights
  one_tap, _ = points._points["taps_1"]
  assert "hfc" in one_tap.weights and one_tap.batch_size == 2
