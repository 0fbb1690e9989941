"""The same chunks on one device, on several of one host, or on many machines: the same bytes."""

from hfc_tf.distribute.executors import Executor, Job, executor

__all__ = ["Executor", "Job", "executor"]
