"""The lines of a training, by a clock of the test."""

import time

from hfc_tf import progress as overall
from hfc_tf.models.callbacks import Progress

LOGS = {"loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7}


def test_passes_join_those_of_the_command(monkeypatch):
  command = overall.Progress()
  monkeypatch.setattr(overall, "current", command)
  command.plan(1000)
  progress = Progress(lambda line: None, images_a_step=10)
  progress.set_params({"epochs": 3, "steps": 2})
  for epoch in (1, 2):  # the first was made before
    progress.on_epoch_begin(epoch)
    assert command._expected == 1000 + 2 * 2 * 10 * overall.TRAINING
    progress.on_train_batch_end(0, LOGS)
    progress.on_train_batch_end(1, LOGS)
  assert command._done == command._expected - 1000


def test_lines_and_time_left(monkeypatch):
  now = [0.0]
  monkeypatch.setattr(time, "monotonic", lambda: now[0])
  lines = []
  progress = Progress(lines.append)
  progress.set_params({"epochs": 2, "steps": 5})
  progress.on_epoch_begin(0)
  now[0] = 100.0  # the first step traces
  progress.on_train_batch_end(0, LOGS)
  assert lines == []
  for step in range(1, 5):
    now[0] += 4.0
    progress.on_train_batch_end(step, LOGS)
  assert [line.split(",")[1] for line in lines] == [" step 2/5", " step 5/5"]
  assert lines[0].endswith("32 s left")  # eight steps of four seconds
  progress.on_epoch_end(0, LOGS)
  assert lines[-1].startswith("training: epoch 1/2, loss 0.500, accuracy 0.800, validation loss")
  assert lines[-1].endswith("20 s left")
