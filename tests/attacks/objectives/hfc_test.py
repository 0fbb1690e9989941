"""What makes J_HFC comparable between points."""

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.objectives import HFC, Batch
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import balanced, random_images, train_taps


def test_the_value_is_the_density_of_the_likeliest_component():
  model = TappedModel(balanced())
  density = HierarchicalDensity(4).fit(train_taps(model, 200))
  hfc = HFC(density)
  images = tf.constant(random_images(count=6))
  batch = Batch(images, tf.ones(6, tf.int32), tf.range(6))
  state = hfc.prepare(batch)
  # Along a line through feature space, so that components change.
  _, features = model(images)
  shares = tf.linspace(0.0, 1.0, 200)[:, None]
  line = {n: f[:1] + 4 * shares * (f[1:2] - f[:1]) for n, f in features.items()}
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(line)
    term = hfc.term(state, batch, None, line)
    value = hfc.value(term, state, line)
  expected, components = np.zeros(200), []
  for name in model.layers:
    mixture = density.mixtures_[name][1]
    points = line[name].numpy().astype(np.float64)
    normals = mixture.distribution.components_distribution
    joint = np.log(mixture.weights) + normals.log_prob(points[:, None]).numpy()  # [N, M]
    expected -= joint.max(1) / points.shape[1]
    components.append(joint.argmax(1))
  assert sum((np.diff(chosen) != 0).sum() for chosen in components) > 0
  offset = expected - value.numpy()
  np.testing.assert_allclose(offset, offset.mean(), atol=2e-3 * np.ptp(expected))
  one, other = tape.gradient(term, line), tape.gradient(value, line)
  for name in model.layers:
    np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-4)


def test_energies_by_layer_add_up_to_the_term():
  model = TappedModel(balanced())
  density = HierarchicalDensity(4).fit(train_taps(model, 200))
  hfc, images = HFC(density), random_images(count=6)
  taps, classes = model.taps(images), np.array([0, 1, 1, 0, 1, 0])
  energies = hfc.energies(taps, classes)
  total = sum(energies[name] / (2 * model.widths[name]) for name in model.layers)
  for label in (0, 1):
    rows = np.flatnonzero(classes == label)
    batch = Batch(tf.constant(images[rows]), tf.fill([len(rows)], label), tf.range(len(rows)))
    features = {name: tf.constant(x[rows]) for name, x in taps.features.items()}
    term = hfc.term(hfc.prepare(batch), batch, None, features)
    np.testing.assert_allclose(total[rows], term, rtol=1e-5)
