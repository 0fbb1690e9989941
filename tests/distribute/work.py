"""Work that cluster workers import: slow, and written down."""

import os
import time


def halving(log, seconds=0.0):
  """Halves `values`; each start and end is a line of the file `log`."""

  def note(word, number):
    import ray

    node = ray.get_runtime_context().get_node_id()
    with open(log, "a") as file:
      file.write(f"{word} {number} {node}\n")

  def work(number, values):
    note("start", number)
    time.sleep(seconds)
    note("end", number)
    return {"values": values / 2, "process": os.getpid()}

  return work


def refusing():
  """Refuses whatever it is given."""
  from hfc_tf.errors import InputError

  def work(**chunk):
    raise InputError("another chunk", str(sorted(chunk)), "give another")

  return work


def adding(number, more=0):
  """Adds a number, and an array."""
  return lambda values: {"values": values + number + more}


def meeting():
  """Waits for another chunk to arrive, and says on which device it was itself."""
  import tensorflow as tf

  def work(meeting):
    meeting.wait()
    return {"device": tf.zeros([]).device}

  return work
