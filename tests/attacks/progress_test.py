"""Who is told of an attack's chunks."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import BIM
from hfc_tf.attacks.progress import TensorBoard
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images

IMAGES = random_images(count=7)


@pytest.fixture(scope="module")
def bim():
  return BIM(TappedModel(balanced()), eps=EPS, steps=2)


class Object:
  def __init__(self):
    self.calls = []

  def on_batch(self, *arguments):
    self.calls.append(arguments)


def test_callbacks_hear_of_every_chunk(bim, tmp_path, capsys):
  calls, listener = [], Object()
  callbacks = [lambda *arguments: calls.append(arguments), listener, TensorBoard(tmp_path)]
  made = bim(IMAGES, 1, batch_size=3, verbose=1, callbacks=callbacks)
  assert bim.batch_size is None
  np.testing.assert_array_equal(made, bim(IMAGES, 1))
  assert [each[:2] for each in calls] == [(3, 7), (6, 7), (7, 7)] and listener.calls == calls
  mean = np.average([each[2]["mean_change"] for each in calls], weights=[3, 3, 1])
  assert mean == pytest.approx(np.abs(made - IMAGES).mean(), rel=1e-3)
  assert "7/7" in capsys.readouterr().out
  (path,) = tmp_path.iterdir()
  events = [
    (event.step, value.tag, tf.make_ndarray(value.tensor))
    for event in tf.compat.v1.train.summary_iterator(str(path))
    for value in event.summary.value
  ]
  written = [(step, value) for step, tag, value in events if tag == "attack/mean_change"]
  assert written == [(done, pytest.approx(logs["mean_change"])) for done, _, logs in calls]


@pytest.mark.parametrize("arguments", [{"callbacks": 3}, {"verbose": 7}, {"batch_size": 0}])
def test_what_is_refused(bim, arguments):
  with pytest.raises(InputError):
    bim(IMAGES, 1, **arguments)
