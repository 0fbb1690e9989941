"""What users have set in Keras, TensorFlow and NumPy, and the threads that they call from."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

from hfc_tf.errors import InputError

# Of all compiled functions: on CPUs oneDNN's kernels crash when two threads run one of them
# (measured with TensorFlow 2.21). Whoever holds it may call what takes it again.
COMPUTE_LOCK = threading.RLock()


def check_backend() -> None:
  """Refuses another Keras backend than TensorFlow, if possible before Keras is imported.

  Raises:
    InputError: where Keras runs on another backend, or would.
  """
  backend = _backend()
  if backend != "tensorflow":
    remedy = "set KERAS_BACKEND=tensorflow before Keras is imported"
    raise InputError("the TensorFlow backend of Keras", backend, remedy)


def _backend() -> str:
  if "keras" in sys.modules:
    with contextlib.suppress(AttributeError):  # half imported
      return str(sys.modules["keras"].config.backend())
  if os.environ.get("KERAS_BACKEND"):
    return os.environ["KERAS_BACKEND"]
  home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
  try:
    return str(json.loads((pathlib.Path(home) / "keras.json").read_text())["backend"])
  except (OSError, ValueError, KeyError, TypeError):
    return "tensorflow"


def set_defaults(
  data_format: str = "channels_last",
  floatx: str = "float32",
  policy: Any = "float32",
  eager: bool = False,
) -> None:
  """Channels last, float32 and compiled functions, whatever keras.json or the user says."""
  import keras
  import tensorflow as tf

  keras.config.set_image_data_format(data_format)
  keras.config.set_floatx(floatx)
  keras.config.set_dtype_policy(policy)
  tf.config.run_functions_eagerly(eager)


@contextlib.contextmanager
def default_settings() -> Iterator[None]:
  """Within it hold `set_defaults` and NumPy's own handling of errors, afterwards the user's again.

  Layers that are made within do not depend on what the user has set globally. Infinities that our
  loops work with are no errors, so that TensorFlow does not look for them. Also a decorator.
  """
  import keras
  import numpy as np
  import tensorflow as tf

  users = (
    keras.config.image_data_format(),
    keras.config.floatx(),
    keras.config.dtype_policy(),
    tf.config.functions_run_eagerly(),
  )
  checked = _numerics_are_checked()
  try:
    set_defaults()
    if checked:
      tf.debugging.disable_check_numerics()
    with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
      yield
  finally:
    set_defaults(*users)
    if checked:
      tf.debugging.enable_check_numerics()


def _numerics_are_checked() -> bool:
  """Whether tf.debugging.enable_check_numerics is on, which has no question of its own."""
  import tensorflow as tf

  try:
    with tf.init_scope():
      tf.math.log(tf.zeros([]))
  except tf.errors.InvalidArgumentError:
    return True
  return False
