"""HFC as an attack of Foolbox, at several budgets."""

import foolbox as fb
import keras
import numpy as np
import tensorflow as tf

import hfc_tf
from hfc_tf.adapters import foolbox

network = keras.models.load_model("mine.keras")
images, labels = np.load("images.npy"), np.load("labels.npy")
model = hfc_tf.TappedModel(network)
density = hfc_tf.HierarchicalDensity(components=4).fit(model.taps(images, labels))
attack = foolbox.Attack(hfc_tf.HFCAttack(model, density, eps=16 / 256, steps=10))
criterion = fb.criteria.TargetedMisclassification(tf.constant(1 - labels[:32]))
theirs, budgets = fb.TensorFlowModel(network, bounds=(0, 1)), [4 / 256, 16 / 256]
_, _, success = attack(theirs, tf.constant(images[:32]), criterion, epsilons=budgets)
print("reached:", success.numpy().mean(axis=1))
