"""Chunks of attacked images: what is kept, what is made again, who makes it."""

import io
import logging
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hfc_tf.attacks import PGD
from hfc_tf.distribute import Executor
from hfc_tf.errors import InputError
from hfc_tf.storage.store import Store
from hfc_tf.study import adversarials
from hfc_tf.study.victim import Victim
from tests.networks import tapped

ROWS = np.array([3, 14, 15, 9, 2, 6, 5, 35, 8, 0])
TARGETS = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1, 1], np.int32)
MODEL = tapped()


@pytest.fixture
def inputs(tmp_path):
  pixels = np.random.default_rng(0).uniform(size=(40, 8, 8, 3)).astype(np.float32)
  labels = np.zeros(40, np.int32)
  labels[ROWS] = 1 - TARGETS
  dataset = types.SimpleNamespace(
    images=lambda rows, channels: pixels[rows], labels=labels,
    grey=lambda rows: (pixels[rows] == pixels[rows][..., :1]).all((1, 2, 3)), pixels=pixels,
  )  # fmt: skip
  sources = types.SimpleNamespace(dataset=dataset, key="images")
  attack = PGD(MODEL, eps=8 / 256, steps=3)
  return Store(tmp_path), sources, Victim(MODEL, "network", 3), attack


def _run(inputs, size=4, **others):
  described = {"label": "pgd", "eps": 8 / 256, "steps": 3, "batch_size": size}
  return adversarials.attack_images(*inputs, described, ROWS, TARGETS, size, **others)


def _chunks(store):
  return sorted(store.root.glob("adversarials/*/arrays.npz"))


def test_chunks_share_a_target_and_are_made_once(inputs, monkeypatch):
  store, sources, _, attack = inputs
  images = _run(inputs)
  assert len(_chunks(store)) == 3  # seven images aim at 1, three at 0
  attack.batch_size = 4
  pixels = sources.dataset.images(ROWS, 3)
  np.testing.assert_array_equal(images, attack(pixels, TARGETS, ids=ROWS))
  monkeypatch.setattr(PGD, "__call__", lambda *_, **__: pytest.fail("made again"))
  np.testing.assert_array_equal(_run(inputs), images)


def test_images_of_their_targets_class_stay_as_they_are(inputs):
  images, dataset = _run(inputs), inputs[1].dataset
  of_target = ROWS[[1, 2]]
  dataset.labels[of_target] = TARGETS[[1, 2]]
  again = _run(inputs)
  np.testing.assert_array_equal(again[[1, 2]], dataset.images(of_target, 3))
  assert (np.delete(again, [1, 2], 0) != dataset.images(np.delete(ROWS, [1, 2]), 3)).any()
  assert (images[[1, 2]] != again[[1, 2]]).any()


def test_only_what_is_missing_or_damaged_is_made_again(inputs, monkeypatch):
  images = _run(inputs)
  first, second, _ = _chunks(inputs[0])
  first.write_bytes(first.read_bytes()[:-10])
  second.unlink()
  made = []
  original = PGD.__call__

  def counted(self, *args, **others):
    made.append(len(args))
    return original(self, *args, **others)

  monkeypatch.setattr(PGD, "__call__", counted)
  np.testing.assert_array_equal(_run(inputs), images)
  assert len(made) == 2


class Backwards(Executor):
  """Chunks in the wrong order, from programs."""

  def map(self, job, chunks):
    self.chunks = list(chunks)
    made = list(super().map(job, self.chunks))
    return reversed(made)


def test_an_executor_makes_the_missing_chunks_in_any_order(inputs, tmp_path):
  expected = _run(inputs)
  store = Store(tmp_path / "other")
  with Backwards() as executor:
    np.testing.assert_array_equal(_run((store, *inputs[1:]), executor=executor), expected)
    assert len(executor.chunks) == 3
    _chunks(store)[0].unlink()
    np.testing.assert_array_equal(_run((store, *inputs[1:]), executor=executor), expected)
    assert len(executor.chunks) == 1
  names = [[path.parent.name for path in _chunks(each)] for each in (inputs[0], store)]
  assert names[0] == names[1]


def test_taps_of_an_executor_are_those_of_this_process(inputs):
  images = _run(inputs)
  here = adversarials.image_taps(inputs[2], images, TARGETS, ROWS)
  with Backwards() as executor:
    there = adversarials.image_taps(inputs[2], images, TARGETS, ROWS, executor)
  for (taps, rounded), (other, others_rounded) in [(here, there)]:
    np.testing.assert_array_equal(taps.logits, other.logits)
    np.testing.assert_array_equal(taps.groups, other.groups)
    for name, values in taps.features.items():
      np.testing.assert_array_equal(other.features[name], values)
    np.testing.assert_array_equal(rounded, others_rounded)
  exact = (np.rint(images * 255) / 255).astype(np.float32)
  np.testing.assert_array_equal(here[1], MODEL.taps(exact).predictions)


def test_half_the_chunk_where_memory_runs_out(inputs, monkeypatch, caplog):
  caplog.set_level(logging.WARNING, logger="absl")
  original = PGD.__call__

  def limited(self, images, targets, ids=None):
    if self.batch_size > 2:
      raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
    return original(self, images, targets, ids=ids)

  monkeypatch.setattr(PGD, "__call__", limited)
  images = _run(inputs)
  assert "out of memory with batches of 4 images: 2 from now on" in caplog.text
  assert len(_chunks(inputs[0])) == 6
  monkeypatch.undo()
  np.testing.assert_array_equal(images, _run(inputs, size=2))
  assert inputs[3].batch_size is None  # the caller's attack is as it was


def test_images_lie_in_a_file_without_a_name(inputs):
  images = _run(inputs)
  assert isinstance(images, np.memmap) and images.dtype == np.float32
  assert [path.name for path in inputs[0].root.iterdir()] == ["adversarials"]


def test_nothing_to_attack_is_one_line(inputs):
  with pytest.raises(InputError, match="at least one image to attack"):
    adversarials.attack_images(*inputs, {"label": "pgd"}, ROWS[:0], TARGETS[:0], 4)


def test_a_batch_size_is_found_once(inputs, monkeypatch):
  store, _, victim, attack = inputs
  tried = []

  def find(run):
    for size in (1, 8):
      run(size)
      tried.append(size)
    return 8

  monkeypatch.setattr(adversarials, "automatic_batch_size", find)
  for _ in range(2):
    assert adversarials.batch_size(store, victim, attack, (8, 8, 3)) == 8
  assert tried == [1, 8]
  assert attack.steps == 3 and attack.batch_size is None


def _grey_world(inputs, rows=(3, 15, 9, 0)):
  for row in rows:
    inputs[1].dataset.pixels[row] = inputs[1].dataset.pixels[row][..., :1]
  return np.isin(ROWS, rows)


def test_grey_images_stay_grey_in_chunks_of_their_own(inputs, tmp_path):
  grey = _grey_world(inputs)
  images = _run(inputs)
  clean = inputs[1].dataset.images(ROWS, 3)
  assert (images[grey] == images[grey][..., :1]).all()
  assert (images[grey] != clean[grey]).any((1, 2, 3)).all()
  assert (images[~grey] != images[~grey][..., :1]).any((1, 2, 3)).all()
  shapes = []
  for path in _chunks(inputs[0]):
    shapes.append(np.load(path)["images"].shape)
  # Of those that aim at 1 four are grey, of the three that aim at 0 none is.
  assert sorted(shapes) == [(3, 8, 8, 3), (3, 8, 8, 3), (4, 8, 8, 1)]
  inputs[3].batch_size = 4
  one = inputs[3](clean[grey][..., :1], TARGETS[grey], ids=ROWS[grey])
  np.testing.assert_array_equal(images[grey], np.repeat(one, 3, -1))
  with Backwards() as executor:
    again = _run((Store(tmp_path / "other"), *inputs[1:]), executor=executor)
  np.testing.assert_array_equal(again, images)


def test_free_channels_are_attacked_as_the_papers_do(inputs):
  grey = _grey_world(inputs)
  store, sources, victim, _ = inputs
  free = PGD(MODEL, eps=8 / 256, steps=3, free_channels=True)
  images = _run((store, sources, victim, free))
  assert (images[grey] != images[grey][..., :1]).any((1, 2, 3)).all()


def test_stored_images_are_files(inputs):
  dataset, store = inputs[1].dataset, inputs[0]
  dataset.pixels[:] = (np.rint(dataset.pixels * 255) / 255).astype(np.float32)
  images, eps = _run(inputs), 8 / 255
  stored = adversarials.stored_images(
    store, images, lambda place: dataset.images(ROWS[place], 3), eps, 255
  )
  assert isinstance(stored, np.memmap)
  clean = dataset.images(ROWS, 3)
  for image, attacked, before in zip(stored, images, clean, strict=True):
    file = io.BytesIO()
    Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(file, "PNG")
    np.testing.assert_array_equal(np.asarray(Image.open(file), np.float32) / 255, image)
    assert np.abs(image - before).max() <= eps + 1e-6
    assert np.abs(image - attacked).max() <= 0.5001 / 255
