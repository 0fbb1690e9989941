import keras
import pytest

from hfc_tf.study.config import Config
from hfc_tf.study.setting import BACKBONES, as_the_papers, backbones, deviations, model_side


def papers(**changes):
  return as_the_papers(Config(setting="papers", **changes), changes).resolved()


def test_what_holds_and_what_differs():
  printed = {"detectors": ("kd(form=eq20)", "maha(mean=single)", "lid"), "covariance": "full"}
  setting = deviations(papers(hfc=True, weights="imagenet", data_dir=".", grid="float",
                              free_channels=True, **printed))  # fmt: skip
  assert setting == {
    "holds": [
      "image size 256 px", "eps 1/256", "step 0.02/256", "2 eps / step = 100 steps",
      "AdvTrain whole", "weight on HFC 1", "covariances full", "backbone resnet50",
      "start from imagenet", "images as floats", "grey images coloured",
    ],
    "differs": [],
  }  # fmt: skip
  setting = deviations(papers(steps=40, model="densenet121"))
  assert setting["differs"] == [
    "step 0.05/256 (papers: 0.02/256)", "backbone densenet121 (papers: resnet50 and vgg16)",
    "start from random weights (papers: ImageNet)", "images as files (papers: images as floats)",
    "KD in coordinates chosen on AdvTrain (papers: as printed, kd(form=eq20))",
    "MAHA with a mean for each class (papers: as printed, maha(mean=single))",
    "grey images stay grey (papers: coloured)",
    "images drawn by a program (papers: real ones)",
  ]  # fmt: skip
  # Without the flag the same list says how far a run is from the papers'.
  setting = deviations(Config(hfc=True).resolved())
  assert setting["holds"] == ["2 eps / step = 40 steps", "weight on HFC 1, balanced"]
  assert "at most 400 images in AdvTrain (papers: whole)" in setting["differs"]


def test_volumes_are_as_large_as_the_papers():
  config = papers(dataset="brain", data_dir=".", hfc=True)
  assert (config.image_size, config.depth, config.crop) == (270, 30, ("30", "128", "128"))
  setting = deviations(config)
  assert {"image size 270 px", "crops 30,128,128", "images as floats"} < {*setting["holds"]}
  assert not any("ImageNet" in text for text in setting["differs"])
  # The side that an experiment has of its own is one of drawn volumes.
  given = Config(setting="papers", dataset="brain", data_dir=".", image_size=32)
  config = as_the_papers(given, {"setting", "dataset", "data_dir"}, {"image_size"})
  assert (config.image_size, config.depth, config.crop) == (270, 30, ("30", "128", "128"))
  # Crops that typed sides do not hold are left out.
  for typed in ({"image_size": 64}, {"depth": 16}):
    config = papers(dataset="brain", data_dir=".", **typed)
    assert config.crop is None and (config.image_size, config.depth) != (270, 30)
    assert "crops none (papers: 30,128,128)" in deviations(config)["differs"]
  # Drawn and npz volumes have sides of their own, and all floats: files have none of Fig. 9's eps.
  for given in ({"dataset": "brain"}, {"dataset": "brain", "data_dir": ".", "image_size": 64,
                                       "crop": ("30", "48", "48")}):  # fmt: skip
    config = papers(**given)
    assert config.image_size == 64 and config.grid == "float"
    assert "image size 64 px (papers: 270 px)" in deviations(config)["differs"]


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_the_side_is_that_of_the_users_model(tmp_path, suffix):
  path = str(tmp_path / f"mine.{suffix}")
  keras.Sequential([keras.Input((48, 40, 3)), keras.layers.Flatten()]).save(path)
  assert model_side(path) == 40
  config = papers(model_path=path)
  assert config.image_size == 40
  assert any(text.startswith(f"backbone mine.{suffix}") for text in deviations(config)["differs"])
  assert papers(model_path=path, image_size=32).image_size == 32


def test_files_that_tell_no_side(tmp_path):
  path = str(tmp_path / "any.keras")
  keras.Sequential([keras.Input((None, None, 3)), keras.layers.ReLU()]).save(path)
  assert model_side(path) is None
  for name in ("text.keras", "text.h5"):
    (tmp_path / name).write_text("hello")
    assert model_side(str(tmp_path / name)) is None
  assert papers(model_path=path).image_size == 256


def test_backbones():
  assert backbones(Config(setting="papers")) == BACKBONES
  assert backbones(Config()) == backbones(Config(setting="papers", model="vgg16")) == ()
  assert backbones(Config(setting="papers", dataset="brain")) == ()
