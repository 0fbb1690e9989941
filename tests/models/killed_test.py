"""A training that was killed ends like one that was not."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SCRIPT = """
  import sys
  import numpy as np, tensorflow as tf
  tf.config.experimental.enable_op_determinism()
  from hfc_tf.models.resnet18 import small_resnet
  from hfc_tf.models.training import train
  rng = np.random.default_rng(0)
  images, labels = rng.random((64, 16, 16, 1), np.float32), np.arange(64) % 2
  for folder in sys.argv[1:]:
    model = small_resnet((16, 16, 1), 2, widths=(4,))
    show = lambda line: print(folder, line, flush=True)
    train(model, images, labels, images, labels, epochs=20, batch_size=16, progress=show,
          checkpoint_dir=folder)
    np.savez(folder + "/weights.npz", *map(np.asarray, model.weights))
"""


def test_kill_9_and_rerun_ends_with_the_same_bytes(tmp_path):
  killed, undisturbed = str(tmp_path / "killed"), str(tmp_path / "undisturbed")

  def start(*folders):
    return subprocess.Popen(
      [sys.executable, "-c", textwrap.dedent(SCRIPT), *folders],
      cwd=ROOT,
      env={**os.environ, "PYTHONPATH": str(ROOT)},
      stdout=subprocess.PIPE,
      stderr=subprocess.DEVNULL,
      text=True,
    )

  first = start(killed)
  for line in first.stdout:
    if "epoch 4/" in line:
      first.send_signal(signal.SIGKILL)
  assert first.wait() == -signal.SIGKILL
  lines = start(killed, undisturbed).communicate()[0]
  assert f"{killed} training: epoch 1/" not in lines
  assert f"{undisturbed} training: epoch 1/" in lines
  weights = [
    np.load(f"{folder}/weights.npz", allow_pickle=False) for folder in (killed, undisturbed)
  ]
  assert len(weights[0].files) > 10
  for name in weights[0].files:
    np.testing.assert_array_equal(weights[0][name], weights[1][name])
