"""Work that cluster workers import: slow, and written down."""

import os
import time


def halving(log, seconds, slow_node, slow_numbers):
  """Halves `values`; each start and end is a line of the file `log`.

  On the machine `slow_node` the chunks `slow_numbers` take a minute.
  """

  def note(word, number):
    with open(log, "a") as file:
      file.write(f"{word} {number} {_node()}\n")

  def work(number, values):
    note("start", number)
    time.sleep(60.0 if number in slow_numbers and _node() == slow_node else seconds)
    note("end", number)
    return {"values": values / 2, "process": os.getpid()}

  return work


def _node():
  import ray

  return ray.get_runtime_context().get_node_id()


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
