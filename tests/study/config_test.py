"""Flags: defaults, and one line for each that cannot be used."""

import pytest

from hfc_tf.errors import InputError
from hfc_tf.study.config import Config


def test_defaults_of_phantoms_and_of_real_data(tmp_path):
  phantom = Config().resolved()
  assert (phantom.model, phantom.eps_256, phantom.steps) == ("small_resnet", 4.0, 40)
  assert phantom.step_size_256 == pytest.approx(0.2)
  real = Config(data_dir=str(tmp_path), image_size=224, step_size_256=0.02).resolved()
  assert (real.model, real.eps_256, real.steps, real.components) == ("resnet50", 1.0, 100, 16)
  assert Config(dataset="fundus").resolved().components == 64
  assert Config(dataset="volumes", data_dir=str(tmp_path)).resolved().model == "resnet18_3d"


@pytest.mark.parametrize(
  "wrong",
  [
    {"dataset": "chestt"},
    {"attacks": ("bim", "nope")},
    {"detectors": ("maha", "nope")},
    {"model": "nope"},
    {"preprocessing": "nope"},
    {"hfc_weights": ("much",)},
    {"hfc_weights": ("-1",)},
    {"attacks": ()},
    {"attacks": ("bim", "bim")},
    {"detectors": ()},
    {"detectors": ("kd", "kd")},
    {"hfc_weights": ()},
    {"hfc_weights": ("1", "1.0")},
    {"hfc_weights": ("inf",)},
    {"learning_rate": float("nan")},
    {"learning_rate": 0.0},
    {"min_accuracy": float("nan")},
    {"min_accuracy": 1.5},
    {"num_images": 0},
    {"seed": -1},
    {"seed": 2**31},
    {"model_seed": -1},
    {"image_size": 10**6},
    {"depth": 0},
    {"window": ("40", "0")},
    {"data_dir": "/nowhere"},
    {"weights": "/nowhere.weights.h5"},
    {"out": ""},
    {"out": f"{__file__}/out"},
    {"step_size_256": 1e-30},
    {"eps_256": float("inf")},
    {"eps_256": 300.0},
    {"eps_256": 0.0},
    {"eps_256": -1.0},
    {"eps_256": float("nan")},
    {"steps": 0},
    {"step_size_256": -0.1},
    {"image_size": 0},
    {"batch_size": -1},
    {"components": 0},
    {"epochs": 0},
    {"max_adv_test": 0},
    {"model_path": "/nowhere/model.keras"},
    {"split": "/nowhere/split.json"},
    {"precision": "float64"},
    {"aim": "nope"},
    {"retrain": "nope", "hfc": True},
    {"retrain": "hfc"},
  ],
)
def test_values_that_cannot_be_used_are_one_line(wrong):
  with pytest.raises(InputError, match=r"expected .*; found .*; ") as caught:
    Config(**wrong).resolved()
  assert "\n" not in str(caught.value)
