"""Accuracy, AUC and prediction."""

import numpy as np
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, roc_auc_score

from hfc_tf.models.inference import evaluate, predict
from hfc_tf.models.resnet18 import small_resnet


def pairs_auc(scores, positive):
  """The probability that a positive outscores a negative, by counting."""
  difference = scores[positive][:, None] - scores[~positive][None]
  return np.mean((difference > 0) + 0.5 * (difference == 0))


def test_two_classes_against_counting():
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, 50)
  logits = rng.normal(size=(50, 2)).astype(np.float32) + np.eye(2)[labels].astype(np.float32)
  result = evaluate(logits, labels)
  assert np.isclose(result["auc"], pairs_auc(logits[:, 1] - logits[:, 0], labels == 1))
  assert result["accuracy"] == np.mean((logits[:, 1] > logits[:, 0]) == labels)


def test_three_classes_are_averaged_one_against_rest():
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 3, 60)
  logits = rng.normal(size=(60, 3)).astype(np.float32)
  chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  wanted = np.mean([roc_auc_score(labels == k, chances[:, k]) for k in range(3)])
  assert np.isclose(evaluate(logits, labels)["auc"], wanted)


def test_confident_logits_do_not_tie():
  logits = np.array([[0, 50], [0, 60], [0, 70], [0, 80]], np.float32)
  assert evaluate(logits, np.array([0, 0, 1, 1]))["auc"] == 1


def test_a_class_without_images_has_no_auc():
  assert evaluate(np.eye(2), np.zeros(2, int)) == {
    "accuracy": 0.5, "balanced_accuracy": 0.5, "auc": None, "confusion": [[1, 1], [0, 0]]
  }  # fmt: skip


def test_balanced_accuracy_and_confusion_are_scikit_learns():
  rng = np.random.default_rng(3)
  logits, labels = rng.normal(size=(80, 3)), rng.choice(3, 80, p=[0.7, 0.2, 0.1])
  metrics, predictions = evaluate(logits, labels), logits.argmax(1)
  assert np.isclose(metrics["balanced_accuracy"], balanced_accuracy_score(labels, predictions))
  assert metrics["confusion"] == confusion_matrix(labels, predictions).tolist()


def test_prediction_does_not_depend_on_the_batches():
  model = small_resnet((16, 16, 1), 2, widths=(4,))
  images = np.random.default_rng(0).random((7, 16, 16, 1), np.float32)
  np.testing.assert_allclose(
    predict(model, images, 3), model(images, training=False), rtol=1e-4, atol=1e-5
  )
