"""A small trained classifier and a folder that the tests of several experiments share."""

import functools
import json
import pathlib
import tempfile

from hfc_tf import data
from hfc_tf.models import training
from hfc_tf.models.resnet18 import small_resnet
from hfc_tf.report import write
from hfc_tf.study.config import Config

SIDE, IMAGES = 32, 300


@functools.cache
def _folder():
  return tempfile.TemporaryDirectory(prefix="hfc_tf_test_")


@functools.cache
def model_path():
  """A ResNet of two stages, nine taps, trained on all images of a small chest phantom."""
  drawn = data.load("chest", None, SIDE, 0, IMAGES)
  model = small_resnet((SIDE, SIDE, 1), 2, widths=(8, 16))
  images, labels = drawn.images(slice(None)), drawn.labels
  training.train(model, images, labels, images, labels, epochs=5, batch_size=16)
  path = pathlib.Path(_folder().name, "model.keras")
  model.save(path)
  return str(path)


def config(**changes):
  """A small study of that classifier, in the folder that all tests of this process share."""
  small = {
    "num_images": IMAGES, "image_size": SIDE, "components": 2, "steps": 4, "eps_256": 8.0,
    "min_accuracy": 0.0, "batch_size": 16, "model_path": model_path(),
    "out": f"{_folder().name}/out",
  }  # fmt: skip
  return Config(**{**small, **changes})


def run(experiment, *args, **options):
  """What results.json holds of an experiment, whose files are written and tables whole."""
  results = write(experiment.run(*args, **options))
  section = json.loads(pathlib.Path(results["config"]["out"], "section.json").read_text())
  for table in section["tables"]:
    assert {len(row) for row in table["rows"]} <= {len(table["head"])}, table["caption"]
  return results


def page(results):
  """The report that belongs to results."""
  return pathlib.Path(results["config"]["out"], "report.html").read_text()
