"""From a Keras model to one functional model with its logits and every activation as outputs."""

from hfc_tf.tapping.network import Network as Network
from hfc_tf.tapping.network import highest as highest
