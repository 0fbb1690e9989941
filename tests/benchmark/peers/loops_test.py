import importlib

import numpy as np
import pytest

from benchmarks.peers import CONTENDERS, PACKAGES
from benchmarks.peers.own import Own
from benchmarks.settings import Settings
from benchmarks.subject import Subject

PLAIN = [name for name, one in CONTENDERS.items() if one.plain and one.package]


@pytest.fixture(scope="module")
def job(tmp_path_factory):
  """Half a step to the border of the ball in two, so that projections matter."""
  model = "resnet50"  # the PyTorch peers know no other
  settings = Settings(model=model, image_size=32, batch_size=2, components=2, em_images=4)
  subject = Subject(str(tmp_path_factory.mktemp("subject")), settings)
  files = {name: getattr(subject, name) for name in ("network", "weights", "inputs")}
  return files | {"eps": 1.5 / 256, "step_size": 1 / 256}


@pytest.fixture(scope="module")
def library_outputs(job):
  loop = Own(job)
  return loop.logits(), loop.attack(3)


@pytest.mark.parametrize("name", PLAIN)
def test_peers_take_the_same_steps(name, request):
  contender = CONTENDERS[name]
  pytest.importorskip(contender.package)
  if name == "foolbox" and np.lib.NumpyVersion(np.__version__) >= "2.0.0":
    pytest.skip("eagerpy needs NumPy 1")
  if name == "torch_compile":
    pytest.skip("takes a minute to compile; bin/benchmark checks it")
  job = request.getfixturevalue("job")  # not before it is known to be needed
  logits, adversarials = request.getfixturevalue("library_outputs")
  module = importlib.import_module(f"benchmarks.peers.{contender.module}")
  loop = module.start(job | dict(contender.settings))
  np.testing.assert_allclose(loop.logits(), logits, atol=1e-3)
  moved = loop.attack(3)
  assert moved.shape == adversarials.shape
  assert np.mean(np.abs(moved - adversarials) < 1e-5) > 0.98
  assert np.abs(moved - loop.images).max() <= 1.5 / 256 + 1e-6


def test_packages_name_the_environments():
  assert PACKAGES == ("torch", "art", "foolbox", "cleverhans")
