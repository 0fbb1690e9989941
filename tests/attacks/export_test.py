"""The exported loop: StableHLO with named arguments, and what another runtime makes of it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from hfc_tf.attacks import DI, PGD, HFCAttack, export
from hfc_tf.attacks.export import export_attack
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from tests.networks import tapped

SETTINGS = {"eps": 8 / 256, "steps": 5, "seed": 2}
RUN = """
import json, sys
import jax, numpy as np
from jax._src import compiler, xla_bridge
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jax._src.lib.mlir import ir

folder = sys.argv[1]
backend = xla_bridge.get_backend()
devices = xla_client.DeviceList((backend.local_devices()[0],))
options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
with mlir.make_ir_context():
  module = ir.Module.parse(open(f"{folder}/program.mlir").read())
  executable = backend.compile_and_load(module, devices, options)
stored = np.load(f"{folder}/arguments.npz", allow_pickle=False)
arguments = json.load(open(f"{folder}/arguments.json"))["arguments"]
given = [jax.device_put(stored[one["array"]].astype(one["type"])) for one in arguments]
outputs = executable.execute_sharded(given).disassemble_into_single_device_arrays()
np.save(f"{folder}/outputs.npy", np.asarray(outputs[0][0]))
"""


def _images(count, seed=0):
  return np.random.default_rng(seed).uniform(size=(count, 8, 8, 3)).astype(np.float32)


def _attack(kind):
  model = tapped()
  if kind == "hfc":
    images = _images(40, seed=9)
    density = HierarchicalDensity(2).fit(model.taps(images, np.arange(40) % 2))
    return HFCAttack(model, density, "pgd", 0.5, **SETTINGS)
  return PGD(model, **SETTINGS)


def _arguments(folder):
  return json.loads((folder / "arguments.json").read_text())["arguments"]


@pytest.mark.parametrize("kind", ["pgd", "hfc"])
def test_arguments_are_those_of_the_program(tmp_path, kind):
  attack, images = _attack(kind), _images(4)
  export_attack(attack, tmp_path, 4, images=images, targets=1, ids=[3, 1, 7, 5])
  program = (tmp_path / "program.mlir").read_text()
  assert "stablehlo.convolution" in program and "stablehlo.while" in program
  head = program[program.index("@main(") :].split("->")[0]
  arguments = _arguments(tmp_path)
  assert head.count("tensor<") == len(arguments)
  with np.load(tmp_path / "arguments.npz", allow_pickle=False) as stored:
    arrays = {one["name"]: stored[one["array"]] for one in arguments}
    assert len(stored.files) == len(arguments)
  for one in arguments:
    assert list(arrays[one["name"]].shape) == one["shape"]
    assert arrays[one["name"]].dtype == one["type"]
  np.testing.assert_array_equal(arrays["images"], images)
  np.testing.assert_array_equal(arrays["weights"], [1.0, 0.5][: 1 + (kind == "hfc")])
  np.testing.assert_array_equal(arrays["ids"], [3, 1, 7, 5])
  assert (arrays["steps"], arrays["eps"]) == (5, np.float32(8 / 256))
  distance = np.abs(arrays["start"] - images)  # the random start came along
  assert 0.9 * SETTINGS["eps"] < distance.max() <= SETTINGS["eps"] + 1e-6
  kernels = [values for values in arrays.values() if values.shape == (3, 3, 3, 6)]
  network_kernel = attack.model._model.get_layer("first").kernel
  np.testing.assert_array_equal(kernels[0], network_kernel)


def test_large_weights_may_travel_in_16_bits(tmp_path, monkeypatch):
  monkeypatch.setattr(export, "_LARGE", 100)  # nothing is larger than 540 values here
  attack = _attack("pgd")
  export_attack(attack, tmp_path / "whole", 2)
  export_attack(attack, tmp_path / "half", 2, half=True)
  assert _arguments(tmp_path / "half") == _arguments(tmp_path / "whole")  # the program's types
  with (
    np.load(tmp_path / "whole" / "arguments.npz", allow_pickle=False) as whole,
    np.load(tmp_path / "half" / "arguments.npz", allow_pickle=False) as half,
  ):
    names = {one["array"]: one["name"] for one in _arguments(tmp_path / "half")}
    smaller = [name for name in whole.files if half[name].dtype == np.float16]
    assert len(smaller) == 2 and all("kernel" in names[name] for name in smaller)
    for name in whole.files:
      np.testing.assert_allclose(half[name], whole[name], rtol=1e-3, atol=1e-6)


def test_what_cannot_be_exported_is_one_line(tmp_path):
  attack = _attack("pgd")
  with pytest.raises(InputError, match="4 images that aim at one class; found 3 images"):
    export_attack(attack, tmp_path, 4, images=_images(3))
  with pytest.raises(InputError, match="found 2 images, 2 classes"):
    export_attack(attack, tmp_path, 2, images=_images(2), targets=[0, 1])
  with pytest.raises(InputError, match="restarts=3"):
    export_attack(PGD(tapped(), restarts=3, **SETTINGS), tmp_path, 2)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["hfc", "di"])
def test_another_runtime_makes_the_same_images(tmp_path, kind):
  pytest.importorskip("jax")
  images = _images(4)
  attack = DI(tapped(), **SETTINGS) if kind == "di" else _attack(kind)
  export_attack(attack, tmp_path, 4, images=images, targets=1)
  subprocess.run([sys.executable, "-c", RUN, str(tmp_path)], check=True)
  outputs = np.load(tmp_path / "outputs.npy", allow_pickle=False)
  attack.batch_size = 4
  expected = attack(images, 1)
  assert np.mean(np.abs(outputs - expected) > 1e-5) < 0.01  # signs flip near a zero gradient
  assert np.abs(outputs - images).max() > 0.9 * SETTINGS["eps"]
