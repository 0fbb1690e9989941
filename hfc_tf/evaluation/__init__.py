"""Metrics, and the protocol that decides who is scored against whom."""

from typing import TYPE_CHECKING

from hfc_tf.lazy import exports

if TYPE_CHECKING:
  from hfc_tf.evaluation import metrics as metrics
  from hfc_tf.evaluation import protocol as protocol
else:
  __getattr__, __dir__ = exports(__name__, {"metrics": "", "protocol": ""})
