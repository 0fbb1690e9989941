"""The lines of a training, by a clock of our own."""

import time

from hfc_tf.models.progress import Clock

ROW = {
  "epoch": 1,
  "loss": 0.5,
  "accuracy": 0.8,
  "validation_loss": 0.6,
  "validation_accuracy": 0.7,
}


def test_lines_and_time_left(monkeypatch):
  now = [0.0]
  monkeypatch.setattr(time, "monotonic", lambda: now[0])
  lines = []
  clock = Clock(lines.append, epochs=2, steps=5)
  now[0] = 100.0  # the first step traces
  clock.step(0, 0, 0.7, 0.5)
  assert lines == []
  for step in range(1, 5):
    now[0] += 4.0
    clock.step(0, step, 0.7, 0.5)
  assert [line.split(",")[1] for line in lines] == [" step 2/5", " step 5/5"]
  assert lines[0].endswith("32 s left")  # eight steps of four seconds
  clock.epoch(ROW)
  assert lines[-1].startswith("training: epoch 1/2, loss 0.500, accuracy 0.800, validation loss")
  assert lines[-1].endswith("20 s left")
