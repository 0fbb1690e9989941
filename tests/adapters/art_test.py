import numpy as np
import pytest

import hfc_tf
from hfc_tf.errors import InputError
from tests.networks import tiny

art = pytest.importorskip("art.estimators.classification", reason="ART is not installed")
from hfc_tf.adapters import art as adapter  # noqa: E402

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 1, (40, 8, 8, 3)).astype(np.float32)
LABELS = np.arange(40) % 2


def classifier(**more):
  return art.KerasClassifier(tiny(), **{"clip_values": (0, 1), "use_logits": True, **more})


def test_it_is_the_attack_itself():
  given = classifier()
  attack = adapter.Evasion(given, lambda model: hfc_tf.BIM(model, eps=8 / 256, steps=3))
  moved = attack.generate(IMAGES, np.eye(2)[1 - LABELS])
  again = hfc_tf.BIM(hfc_tf.TappedModel(given.model), eps=8 / 256, steps=3)(IMAGES, 1 - LABELS)
  np.testing.assert_array_equal(moved, again)
  assert moved.dtype == IMAGES.dtype and abs(moved - IMAGES).max() <= 8 / 256 + 1e-6
  assert attack.targeted
  with pytest.raises(InputError, match="classes y to reach"):
    attack.generate(IMAGES)


def test_untargeted_leaves_the_predictions():
  attack = adapter.Evasion(
    classifier(), lambda model: hfc_tf.BIM(model, eps=64 / 256, steps=9, targeted=False)
  )
  before, after = (attack.estimator.predict(x) for x in (IMAGES, attack.generate(IMAGES)))
  first = before.argmax(1)
  leads = [x[np.arange(40), first] - x[np.arange(40), 1 - first] for x in (before, after)]
  assert (leads[1] < leads[0]).all()


@pytest.mark.parametrize("kind", ["KerasClassifier", "TensorFlowV2Classifier"])
def test_clip_values_and_preprocessing_are_taken_over(kind):
  more = {"clip_values": (0, 255), "preprocessing": (120.0, 60.0)}
  if kind == "TensorFlowV2Classifier":
    given = art.TensorFlowV2Classifier(tiny(), nb_classes=2, input_shape=(8, 8, 3), **more)
  else:
    given = classifier(**more)
  model = adapter.tapped(given)
  np.testing.assert_allclose(
    model.taps(255 * IMAGES, LABELS).logits, given.predict(255 * IMAGES), atol=1e-4
  )


@pytest.mark.parametrize(
  ("more", "said"),
  [({"clip_values": None}, "finite clip_values"), ({"channels_first": True}, "channels first")],
)
def test_what_is_not_taken_over_is_refused(more, said):
  with pytest.raises(InputError, match=said):
    adapter.tapped(classifier(**more))
  with pytest.raises(InputError, match="a KerasClassifier"):
    adapter.tapped(tiny())


def test_a_detector_learns_and_detects():
  given = classifier()
  moved = np.clip(IMAGES + 0.4, 0, 1)
  detection = adapter.EvasionDetection(
    given, hfc_tf.detectors.Mahalanobis(), RNG.uniform(0, 1, (60, 8, 8, 3)), np.arange(60) % 2
  )
  predicted = given.predict(moved).argmax(1)
  same = given.predict(IMAGES).argmax(1) == predicted.max()
  assert same.any()
  x, y = np.concatenate([IMAGES, moved]), np.repeat([0, 1], 40)
  detection.fit(x, np.eye(2)[y], groups=np.tile(np.arange(40), 2))
  report, flagged = detection.detect(x)
  assert report["scores"].shape == flagged.shape == (80,)
  np.testing.assert_array_equal(flagged, report["scores"] > report["threshold"])
  assert flagged[40:].mean() > 0.9 > 0.2 >= flagged[:40].mean()
