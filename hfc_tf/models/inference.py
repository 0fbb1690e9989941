"""Logits in inference mode, and how good they are."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.special import softmax
from sklearn.metrics import confusion_matrix, roc_auc_score


def predict(model: keras.Model, images: Any, batch_size: int = 64) -> np.ndarray:
  """Logits in inference mode, float32 [N, K], of images as those of `train`."""
  signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
  logits = tf.function(lambda x: model(x, training=False), input_signature=[signature])
  batches = np.array_split(np.arange(len(images)), -(-len(images) // batch_size))
  return np.concatenate([logits(np.asarray(images[rows], np.float32)).numpy() for rows in batches])


def evaluate(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
  """What logits [N, K] are worth by labels [N]: accuracy, balanced accuracy, AUC, confusion matrix.

  Returns:
    {"accuracy", "balanced_accuracy", "auc", "confusion"}: fractions, the second the mean recall of
    the classes that have images, the third above two classes the mean of the one-against-rest AUCs
    and None where a class has no image; and counts [K][K], rows by true class.
  """
  classes = logits.shape[-1]
  confusion = confusion_matrix(labels, logits.argmax(-1), labels=range(classes))  # [K, K]
  known = confusion.sum(1) > 0
  scores = {
    "accuracy": float(np.mean(logits.argmax(-1) == labels)),
    "balanced_accuracy": float(np.mean(np.diag(confusion)[known] / confusion.sum(1)[known])),
    "auc": None,
    "confusion": confusion.tolist(),
  }
  if not known.all():
    return scores
  logits = logits.astype(np.float64)
  if classes == 2:  # softmax would round the confident ones to ties
    auc = roc_auc_score(labels, logits[:, 1] - logits[:, 0])
  else:
    auc = roc_auc_score(labels, softmax(logits, -1), multi_class="ovr", average="macro")
  return scores | {"auc": float(auc)}
