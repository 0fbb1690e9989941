"""ART: your classifier in, an attack hidden from detectors of adversarial images out."""

import keras
import numpy as np
from art.estimators.classification import TensorFlowV2Classifier

import hfc_tf
from hfc_tf.adapters import ArtAttack, from_art

data = hfc_tf.data.load("chest", image_size=32, num_images=200)  # or your images and your network
images, targets = data.images(slice(None), 3), 1 - data.labels[:8]
network = keras.applications.MobileNetV2((32, 32, 3), weights=None, classes=2)
art = TensorFlowV2Classifier(network, 2, (32, 32, 3), clip_values=(0, 1), preprocessing=(0.5, 0.5))
model = from_art(art)
density = hfc_tf.HierarchicalDensity(2).fit(model.taps(images, data.labels))
attack = ArtAttack(art, hfc_tf.HFCAttack(model, density, base="pgd", eps=4 / 256, steps=5))
adversarials = attack.generate(images[:8], np.eye(2)[targets])
print("largest change:", np.abs(adversarials - images[:8]).max())
