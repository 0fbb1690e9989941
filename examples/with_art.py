"""HFC on a classifier of the Adversarial Robustness Toolbox."""

import keras
import numpy as np
from art.estimators.classification import KerasClassifier

import hfc_tf
from hfc_tf.adapters import art

network = keras.models.load_model("mine.keras")
classifier = KerasClassifier(network, clip_values=(0, 1), use_logits=True)
images, labels = np.load("images.npy"), np.load("labels.npy")
model = art.tapped(classifier)
density = hfc_tf.HierarchicalDensity(components=4).fit(model.taps(images, labels))
attack = art.Evasion(classifier, lambda tapped: hfc_tf.HFCAttack(tapped, density, eps=16 / 256))
moved = attack.generate(images[:32], 1 - labels[:32])
print("reached:", (classifier.predict(moved).argmax(1) == 1 - labels[:32]).mean())
