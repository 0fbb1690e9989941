"""Which tasks several data sets and backbones make."""

import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import reproduce
from hfc_tf.study.config import Config


def test_npz_volumes_of_the_users_own(tmp_path):
  path = tmp_path / "cubes.npz"
  np.savez(path, images=np.zeros((4, 8, 16, 16), np.uint8), labels=[0, 1, 0, 1])
  config = Config(dataset="npz", data_dir=str(path), image_size=16)
  (task,) = reproduce.plan(config, ["volumes"], None)
  assert (task.config.dataset, task.config.data_dir) == ("npz", str(path))
  assert task.config.resolved().model == "resnet18_3d"
  np.savez(path, images=np.zeros((4, 16, 16, 3), np.uint8), labels=[0, 1, 0, 1])
  (task,) = reproduce.plan(config, ["volumes"], None)
  assert task.config.dataset == "brain"


def test_several_data_sets_and_backbones(tmp_path, caplog):
  for name in ("chest", "cifar", "scans"):
    (tmp_path / name).mkdir()
  entries = [f"chest={tmp_path}/chest", f"cifar10={tmp_path}/cifar", f"volumes:48={tmp_path}/scans"]
  config = Config(image_size=224, weights="resnet50=imagenet", out=str(tmp_path / "out"))
  typed = ["image_size", "weights"]
  tasks = reproduce.plan(config, [], None, typed, entries, ["resnet50", "vgg16"])
  by_label = {task.label: task for task in tasks}
  assert len(by_label) == len(tasks) == len({task.config.out for task in tasks})
  assert {task.config.artefacts for task in tasks} == {str(tmp_path / "out" / "artefacts")}
  (volumes,) = [task for task in tasks if task.name == "volumes"]
  assert (volumes.images, volumes.config.image_size, volumes.config.model) == ("volumes", 48, None)
  assert volumes.options == {"datasets": (f"chest:224={tmp_path}/chest",)}  # no natural images
  assert {task.name for task in tasks if task.images == "volumes"} == {"volumes"}
  natural = {task.name for task in tasks if task.images == "cifar10_vgg16"}
  assert "gradient_direction" in natural and not natural & {"ood", "stress_test", "volumes"}
  cifar = by_label["cifar10_resnet50/detection"].config
  assert (cifar.image_size, cifar.num_images, cifar.epochs) == (32, 20000, 20)
  assert any("cifar10 takes image_size=32" in each.getMessage() for each in caplog.records)
  chest = by_label["chest_vgg16/gradient_direction"]
  assert (chest.config.model, chest.config.image_size) == ("vgg16", 224)
  against = chest.options["natural"]
  assert (against.data_dir, against.image_size) == (f"{tmp_path}/cifar", 32)
  assert by_label["cifar10_vgg16/gradient_direction"].options == {}


def test_a_users_model_belongs_to_the_images_that_are_named():
  config = Config(dataset="chest", model_path="mine.keras")
  tasks = reproduce.plan(config, ["layers"], None, None, ["fundus", "chest"])
  assert {task.images: task.config.model_path for task in tasks} == {
    "fundus": None, "chest": "mine.keras",
  }  # fmt: skip
  with pytest.raises(InputError, match="--dataset with the images of --model_path"):
    reproduce.plan(config, ["layers"], None, None, ["fundus"])
