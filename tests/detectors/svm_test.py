import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hfc_tf.detectors.learning import AdvTrain
from hfc_tf.detectors.svm import SupportVectorMachine


def test_equals_scikit_learn(world):
  detector = SupportVectorMachine().fit(world.train, **world.adv_train)
  data = AdvTrain.of(**world.adv_train)
  rows = np.arange(len(data.taps))
  model = make_pipeline(StandardScaler(), SVC(C=detector.cost_, gamma=detector.gamma_))
  features = data.taps.features["last"].astype(float)
  model.fit(features, data.is_adversarial, svc__sample_weight=data.weights(rows))
  for taps in (world.test_clean, world.test_adversarial):
    expected = model.decision_function(taps.features["last"].astype(float))
    np.testing.assert_allclose(detector.score(taps), expected, rtol=1e-4, atol=2e-3)


def test_scaler_knows_adv_train_alone(world, new_world):
  detector = SupportVectorMachine().fit(world.train, **world.adv_train)
  known = np.concatenate([taps.features["last"] for taps in world.adv_train.values()])
  np.testing.assert_allclose(detector.center_, known.mean(axis=0), rtol=1e-5)
  np.testing.assert_allclose(detector.scale_, known.std(axis=0), rtol=1e-4)
  other = SupportVectorMachine().fit(new_world(5).train, **world.adv_train)
  np.testing.assert_array_equal(other.center_, detector.center_)
