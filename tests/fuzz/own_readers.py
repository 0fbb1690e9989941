"""Loaders of the project's own files, each with small valid files, as in `data_readers`."""

import io
import json
import re
import zipfile

import keras
import numpy as np
import tensorflow as tf

from hfc_tf import data, detectors
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.experiments.reproduce import Task
from hfc_tf.models.callbacks import Checkpoint
from hfc_tf.models.resnet18 import small_resnet
from hfc_tf.models.weights import set_weights
from hfc_tf.report.results import write_run
from hfc_tf.results.result import Section, Table, read_section, section_file
from hfc_tf.storage.files import write_files
from hfc_tf.storage.store import Store, checksums
from hfc_tf.study.config import Config
from hfc_tf.study.setting import model_side
from hfc_tf.study.victim import users_classifier
from hfc_tf.taps import Taps
from tests.fuzz.data_readers import PIXELS, SIDE, Reader, encoded, images
from tests.fuzz.mutate import zipped
from tests.networks import tapped, tiny


def _taps(seed=0, count=60):
  rng = np.random.default_rng(seed)
  labels = np.arange(count) % 2
  features = {name: rng.normal(labels[:, None], 1, (count, width)).astype(np.float32)
              for name, width in (("first", 4), ("last", 6))}  # fmt: skip
  kernel = rng.normal(size=(6, 2)).astype(np.float32)
  head = (kernel, np.zeros(2, np.float32))
  return Taps(features, features["last"] @ kernel, labels.astype(np.int32), "last", head)


def _density(folder):
  taps = _taps()
  files = []
  for covariance in ("low_rank", "full"):
    density = HierarchicalDensity(2, covariance=covariance, iterations=3).fit(taps)
    density.save(folder / "density.npz")
    files.append(("density.npz", (folder / "density.npz").read_bytes()))

  def read(_):
    density = HierarchicalDensity.load(folder / "density.npz")
    values = density.log_prob(taps.features, taps.labels)
    assert set(values) == {"first", "last"} and np.isfinite(list(values.values())).all()

  return Reader(files, read)


def _detector(folder):
  train, given = _taps(), {"clean": _taps(1), "noisy": _taps(2), "adversarial": _taps(3)}
  files = []
  for name in ("kd", "maha", "mgm", "svm", "dnn"):
    detectors.DETECTORS[name]().fit(train, **given).save(folder / "detector.npz")
    files.append(("detector.npz", (folder / "detector.npz").read_bytes()))

  def read(_):
    scores = detectors.load(folder / "detector.npz").score(train)
    assert scores.shape == (60,) and np.isfinite(scores).all()

  return Reader(files, read)


def _weights(suffix):
  def make(folder):
    keras.backend.clear_session()
    network, path = small_resnet((16, 16, 1), 2, 0, None, (4,)), folder / f"w{suffix}"
    (network.save if suffix == ".keras" else network.save_weights)(path)
    content = path.read_bytes()

    def read(_):
      set_weights(network, 0, str(path))
      assert all(np.isfinite(value).all() for value in network.get_weights())

    return Reader([(path.name, _undated(content))], read)

  return make


def _model(suffix, load):
  def make(folder):
    keras.backend.clear_session()
    path = folder / f"m{suffix}"
    tiny().save(path)
    return Reader([(path.name, _undated(path.read_bytes()))], lambda _: load(str(path)))

  return make


def _undated(content):
  """A .keras file, the same bytes whenever it was made."""
  if not content.startswith(b"PK"):
    return content
  with zipfile.ZipFile(io.BytesIO(content)) as archive:
    members = [(name, archive.read(name)) for name in archive.namelist()]
  return zipped((name, re.sub(rb'"date_saved": "[^"]*"', b'"date_saved": "x"', member))
                for name, member in members)  # fmt: skip


def _used(path):
  assert isinstance(model_side(path), int | None)
  network, _ = users_classifier(path)
  assert not any(np.isnan(value).any() for value in network.get_weights())


def _saved_model(folder):
  model = tapped()
  module = tf.Module()
  module.bias = tf.Variable([1.0, 2.0, 3.0])
  module.__call__ = tf.function(lambda images: tf.reduce_sum(images + module.bias, [1, 2, 3]))
  signature = module.__call__.get_concrete_function(tf.TensorSpec([None, 8, 8, 3], tf.float32))
  tf.saved_model.save(module, str(folder / "d"), signatures=signature)

  def read(_):
    detector = detectors.SavedModelDetector(folder / "d")
    scores = detector.score_image_tensor(model, tf.zeros([2, 8, 8, 3]))
    assert scores.shape == (2,)

  return Reader(_files(folder), read)


def _checkpoint(folder):
  """What cannot be used leaves the network as it was; what can is whole."""
  network, path = tiny(), folder / "training.npz"
  network.trainable = True
  optimizer = keras.optimizers.Adam()
  optimizer.build(network.trainable_variables)
  start = [np.array(variable) for variable in network.variables]
  saved = Checkpoint(network, optimizer)
  saved.resume(path, "key")
  saved.on_epoch_end(0, {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5})

  def read(_):
    for variable, value in zip(network.variables, start, strict=True):
      variable.assign(value * 2)
    checkpoint = Checkpoint(network, optimizer)
    checkpoint.resume(path, "key")
    values = [np.array(variable) for variable in network.variables]
    if checkpoint.history:
      checkpoint.restore_best()
      assert checkpoint.history[0]["epoch"] == 1
      assert checkpoint.history[0]["validation_loss"] >= 0
    else:
      assert all((a == 2 * b).all() for a, b in zip(values, start, strict=True))

  return Reader([(path.name, path.read_bytes())], read)


def _store(folder):
  arrays = {"a": np.arange(20.0), "b": np.array("text")}

  def read(_):
    loaded, _ = Store(folder).arrays("taps", 1, {"of": 1}, lambda: arrays)
    np.testing.assert_array_equal(loaded["a"], arrays["a"])
    assert str(loaded["b"]) == "text" and len(loaded) == 2

  read(folder)
  return Reader(_files(folder), read)


def _decoded(folder):
  images(".png")(folder / "images")

  def load():
    return data.load("folder", folder / "images", SIDE, cache_dir=folder / "cache").pixels

  expected = np.array(load())
  files = [(name, content) for name, content in _files(folder) if name.startswith("cache/")]
  return Reader(files, lambda _: np.testing.assert_array_equal(load(), expected))


def _files(folder):
  paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
  return [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths]


def _section(folder):
  tables = [Table("caption", ("a", "b"), [("1", "2"), ("3", "4")], "note")]
  section = Section(title="title", lead=["one"], tables=tables, notes=["n"], command="bin/x")
  (folder / "figures").mkdir()
  (folder / "figures" / "x.png").write_bytes(encoded(PIXELS, "png"))

  def read(_):
    loaded = read_section(folder)
    for table in loaded.tables:
      assert all(len(row) == len(table.head) for row in table.rows)
      assert all(isinstance(cell, str) for row in (table.head, *table.rows) for cell in row)
    texts = [loaded.title, loaded.command or "", *loaded.lead, *loaded.notes]
    assert all(isinstance(text, str) for text in texts)

  return Reader(list(section_file(section).items()), read)


def _results(folder):
  """Results that are there are those that were asked for, whole; else they are made again."""
  task = Task("layers", Config(out=str(folder)), {}, [])
  complete = {"schema": {"name": "layers", "version": 1}, "config": {}, "rows": [{"a": 1}],
              "warnings": []}  # fmt: skip
  names = ("results.json", "results.csv", "config.json", "section.json")

  def make():
    write_run(folder, complete, section_file(Section(title="title")))
    asked = {"asked": task.key, "files": checksums(folder, names)}
    write_files(folder, {"asked.json": json.dumps(asked).encode()})

  def read(_):
    if task.done():
      assert json.loads((folder / "results.json").read_text()) == complete
      assert read_section(folder).title == "title"
    else:
      make()  # over what is there
      assert task.done()

  make()
  return Reader(_files(folder), read)


READERS = {
  "density": _density, "detector": _detector,
  "weights_h5": _weights(".weights.h5"), "weights_keras": _weights(".keras"),
  "model_h5": _model(".h5", _used), "model_keras": _model(".keras", _used),
  "saved_model": _saved_model, "checkpoint": _checkpoint, "store": _store, "decoded": _decoded,
  "section": _section, "results": _results,
}  # fmt: skip
