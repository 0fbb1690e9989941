"""Foolbox: your model and criterion, our attack, several epsilons."""

import foolbox as fb
import keras
import numpy as np
import tensorflow as tf

import hfc_tf
from hfc_tf.adapters import FoolboxAttack, from_foolbox

data = hfc_tf.data.load("chest", image_size=32, num_images=200)  # or your images and your network
images, targets = data.images(slice(None), 3), tf.constant(1 - data.labels[:8], tf.int64)
network = keras.applications.MobileNetV2((32, 32, 3), weights=None, classes=2)
model = fb.TensorFlowModel(network, bounds=(0, 1), preprocessing={"mean": 0.5, "std": 0.5})
density = hfc_tf.HierarchicalDensity(2).fit(from_foolbox(model).taps(images, data.labels))
attack = FoolboxAttack("pgd", density, steps=5)
criterion = fb.criteria.TargetedMisclassification(targets)
raw, clipped, success = attack(model, tf.constant(images[:8]), criterion, epsilons=[0.01, 0.03])
print("success by epsilon:", np.mean(success, 1))
