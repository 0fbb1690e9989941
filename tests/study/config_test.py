"""Flags: defaults, and one line for each that cannot be used."""

import dataclasses

import pytest

from hfc_tf.errors import InputError
from hfc_tf.study import values
from hfc_tf.study.config import Config


def test_defaults_of_phantoms_and_of_real_data(tmp_path):
  phantom = Config().resolved()
  assert (phantom.model, phantom.eps_256, phantom.steps) == ("small_resnet", 4.0, 40)
  assert phantom.step_size_256 == pytest.approx(0.2)
  real = Config(data_dir=str(tmp_path), image_size=224, step_size_256=0.02).resolved()
  assert (real.model, real.eps_256, real.steps, real.components) == ("resnet50", 1.0, 100, 16)
  assert Config(dataset="fundus").resolved().components == 64
  assert Config(dataset="volumes", data_dir=str(tmp_path)).resolved().model == "resnet18_3d"


def test_each_architecture_has_a_start_and_a_learning_rate_of_its_own(tmp_path):
  file = tmp_path / "lr=3.weights.h5"
  file.touch()
  pairs = f"vgg16=imagenet,resnet50={file}"

  def of(model, **changes):
    config = Config(model=model, **changes).resolved()
    # As `Study.beside` makes another study of one that is resolved.
    other = dataclasses.replace(config, model="vgg16").resolved()
    return config.start, config.rate, other.start, other.rate

  assert of("resnet50", weights=pairs) == (str(file), 1e-3, "imagenet", 5e-5)
  assert of("small_resnet", weights=pairs) == (None, 1e-3, "imagenet", 5e-5)
  assert of("resnet50", weights=str(file), learning_rate=0.1) == (str(file), 0.1, str(file), 0.1)
  assert of("resnet50", weights="imagenet") == ("imagenet", 1e-3, "imagenet", 5e-5)


def test_a_start_fits_the_architectures():
  values.starts_fit("--weights", "vgg16=a,resnet50=b", ["vgg16", "resnet50"])
  values.starts_fit("--weights", "a.weights.h5", ["vgg16", "vgg16"])
  values.starts_fit("--weights", "imagenet", ["vgg16", "resnet50"])
  values.starts_fit("--weights", None, ["vgg16", "resnet50"])
  with pytest.raises(InputError, match="a file for each architecture"):
    values.starts_fit("--weights", "a.weights.h5", ["vgg16", "resnet50"])
  with pytest.raises(InputError, match="--weights for vgg16; found resnet50"):
    values.starts_fit("--weights", "resnet50=a", ["vgg16"])


@pytest.mark.parametrize(
  "wrong",
  [
    {"dataset": "chestt"},
    {"attacks": ("bim", "nope")},
    {"detectors": ("maha", "nope")},
    {"detectors": ("maha(mean=all)",)},
    {"covariance": "diagonal"},
    {"attacks": ("deepfool",), "hfc": True},
    {"attacks": ("deepfool(candidates=2)",), "hfc": True},
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
    {"weights": __file__},
    {"weights": "vgg16=/nowhere.weights.h5"},
    {"weights": "vgg=imagenet"},
    {"weights": "vgg16=imagenet,imagenet"},
    {"weights": "vgg16=imagenet,vgg16=imagenet"},
    {"setting": "ours"},
    {"fixed": "eps"},
    {"max_adv_train": -1},
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


@pytest.mark.parametrize(
  ("wrong", "line"),
  [
    ("nope(x=1)", "--attack among fgsm, bim, .*; found 'nope'; name one"),
    ("tim()", r"--attack: NAME or NAME\(option=value,...\); found 'tim\(\)'; e.g. tim\(kernel=7\)"),
    ("mim(decay=1,decay=1)", "--attack: each option once; found"),
    ("tim(size=7)", "--attack: options of tim among kernel, reach, depth, restarts; found 'size'"),
    ("tim(kernel=8)", "--attack: kernel of tim among 1, 3, 5, ... from 1 to 999; found 8; leave"),
    ("tim(kernel=7.0)", "--attack: kernel of tim among .*; found 7.0"),
    ("tim(kernel=true)", "--attack: kernel of tim among .*; found True"),
    ("tim(depth=1)", "--attack: depth of tim as true or false; found 1; leave it out"),
    ("mim(decay=-1)", "--attack: decay of mim of at least 0; found -1"),
    ("mim(decay=much)", "--attack: decay of mim as a number; found much"),
    ("mim(decay=nan)", "--attack: decay of mim as a number; found nan"),
    ("di(smallest=0)", "--attack: smallest of di above 0 and at most 1; found 0"),
    ("pgd(restarts=0)", "--attack: restarts of pgd among whole numbers from 1 to 1000; found 0"),
    ("pgd(eps=1)", "--attack: options of pgd among restarts; found 'eps'"),
  ],
)
def test_options_that_cannot_be_used_are_one_line(wrong, line):
  with pytest.raises(InputError, match=f"^expected {line}") as caught:
    Config(attacks=("bim", wrong)).resolved()
  assert "\n" not in str(caught.value)


def test_names_without_options_and_doubled_variants_are_refused():
  with pytest.raises(InputError, match=r"squeezing, which has no options; .*; write squeezing"):
    Config(detectors=("squeezing(seed=1)",)).resolved()
  for doubled in (("mim(decay=1)", "mim(decay=1.0)"), ("bim", " bim "), ("bim", "bim")):
    with pytest.raises(InputError, match="without repetition"):
      Config(attacks=doubled).resolved()


def test_variants_stand_under_one_spelling_and_plain_names_as_they_are():
  detectors = ("kd(form='eq20')", "kd")
  done = Config(attacks=("bim", " tim( kernel = 7 )"), detectors=detectors).resolved()
  assert done.attacks == ("bim", "tim(kernel=7)") and done.detectors == ("kd(form=eq20)", "kd")
  assert done.resolved() == done
