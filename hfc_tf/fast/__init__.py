"""Exact but faster CPU forms of what layers compute; `TappedModel(fold=False)` does without."""

from hfc_tf.fast.forms import Forms as Forms
from hfc_tf.fast.forms import checksum as checksum
