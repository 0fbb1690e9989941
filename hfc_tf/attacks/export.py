"""An attack's one compiled loop as a program: for other processes, and for other runtimes."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks import inputs
from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.objectives.base import Batch, Tensor
from hfc_tf.errors import InputError
from hfc_tf.storage.files import write_files

Array = np.ndarray[Any, Any]
NUMBERS = {"eps": tf.float32, "step_size": tf.float32, "steps": tf.int32}
_LARGE = 1024  # values from which an array travels in 16 bits


def numbers(attack: Attack) -> dict[str, Any]:
  """The numbers of a program: seed, weights, steps, and eps and step_size in the model's units."""
  weights = [float(attack.weights[term.name]) for term in attack.objective.terms]
  values = {name: getattr(attack, name) for name in NUMBERS}
  given = {name: value for name, value in values.items() if value is not None}
  return {"seed": attack.seed, "weights": weights, **given}


def batch_function(
  attack: Attack, batch_size: int, shape: tuple[int, ...], *, start: bool = False
) -> tuple[Callable[..., Tensor], dict[str, tf.TensorSpec]]:
  """An attack on one batch as a function of tensors, and the specs of these tensors by name.

  `numbers(attack)` are among them; so is the point to start from instead of a random draw, if
  `start`. `shape` is that of an image in [0, 1].
  """
  images, vector = [batch_size, *shape], [batch_size]
  given = [name for name in NUMBERS if name in numbers(attack)]
  kinds: dict[str, tuple[list[int], Any]] = {
    "images": (images, tf.float32),
    "targets": (vector, tf.int32),
    "ids": (vector, tf.int32),
    **({"start": (images, tf.float32)} if start else {}),
    "seed": ([], tf.int32),
    "weights": ([len(attack.weights)], tf.float32),
    **{name: ([], NUMBERS[name]) for name in given},
  }
  specs = {name: tf.TensorSpec(*kind, name) for name, kind in kinds.items()}

  def function(*tensors: Tensor) -> Tensor:
    values = dict(zip(specs, tensors, strict=True))
    fed: Any = copy.copy(attack)  # shares the compiled loop
    fed._numbers = lambda: {name: values[name] for name in ("weights", *given)}
    if start:
      fed._start = lambda *_: values["start"]
    batch = Batch(*(values[name] for name in ("images", "targets", "ids", "seed")))
    return fed._attack(batch).images

  return function, specs


def export_attack(
  attack: Attack,
  path: str | os.PathLike[str],
  batch_size: int,
  *,
  images: Any = None,
  targets: Any = 0,
  ids: Any = None,
  half: bool = False,
) -> None:
  """Writes the compiled loop as StableHLO with its weights, for any PJRT runtime.

  Into the folder `path` go program.mlir, whose @main takes arrays in the order of their names in
  arguments.npz (arg000, arg001, ...) and returns the adversarial images [B, ...] in [0, 1], and
  arguments.json, which tells what each array is. A random start is drawn here and is an argument,
  since runtimes draw differently.

  Args:
    attack: of one run (`restarts=1`).
    path: a folder; made where it is missing.
    batch_size: images of the batch, B; the program has this one shape.
    images: [B, ...] in the model's bounds; mid-grey ones by default.
    targets: int [B], all the same class, or that class.
    ids: int [B], the keys of random draws; default 0 ... B - 1.
    half: whether floats of large arrays are stored in 16 bits, the images excepted; whoever runs
      the program casts them to the type that arguments.json tells.

  Raises:
    InputError: for several restarts, images that do not fit, targets that differ, or operations
      that XLA cannot compile.
  """
  restarts = getattr(attack, "restarts", 1)
  if restarts > 1:
    raise InputError("an attack of one run", f"restarts={restarts}", "pass restarts=1")
  low, high = attack.model.bounds
  if images is None:
    sides = [side or 64 for side in attack.model.input_shape]
    images = np.full([batch_size, *sides], (low + high) / 2, np.float32)
  unit = attack.model.to_unit(images)
  classes = inputs.classes(targets, len(unit), attack.model.num_classes)
  if len(unit) != batch_size or len(np.unique(classes)) != 1:
    counts = f"{len(unit)} images, {len(np.unique(classes))} classes"
    raise InputError(f"{batch_size} images that aim at one class", counts, "export one batch")
  keys = inputs.sample_ids(ids, batch_size)
  arguments = {"images": unit, "targets": classes, "ids": keys, **numbers(attack)}
  random_start = bool(getattr(attack, "random_start", False))
  program = copy.copy(attack)  # whose network's weights are variables: arguments
  program.model = attack.model.variant(precision=attack.model.precision, fold=False)
  program._jit_compile = True
  program._compile()
  if random_start:
    eps, seed = tf.constant(attack.eps, tf.float32) / (high - low), tf.constant(attack.seed)
    drawn: Any = program
    arguments["start"] = drawn._start(tf.constant(unit), eps, tf.constant(keys), seed).numpy()
  function, specs = batch_function(program, batch_size, unit.shape[1:], start=random_start)
  given = [(name, np.asarray(arguments[name], specs[name].dtype.as_numpy_dtype)) for name in specs]
  text, captured = _stablehlo(function, list(specs.values()))
  arrays = {f"arg{i:03d}": pair for i, pair in enumerate([*given, *captured])}
  _check(text, [array for _, array in arrays.values()])
  stored = {
    key: _smaller(array) if half and name not in specs else array
    for key, (name, array) in arrays.items()
  }
  description = {
    "arguments": [
      {"array": key, "name": name, "type": array.dtype.name, "shape": array.shape}
      for key, (name, array) in arrays.items()
    ],
    "attack": type(attack).__name__,
    "batch_size": batch_size,
    "returns": "adversarial images in [0, 1]",
  }
  write_files(path, {
    "program.mlir": text.encode(),
    "arguments.npz": lambda file: np.savez(file, **stored),  # type: ignore[arg-type]
    "arguments.json": json.dumps(description, indent=1).encode(),
  })  # fmt: skip


def _stablehlo(
  function: Callable[..., Tensor], specs: list[tf.TensorSpec]
) -> tuple[str, list[tuple[str, Array]]]:
  """The program's text, and what it captured (weights, densities) in the order of its arguments."""
  compiled = tf.function(function, autograph=False, jit_compile=True)
  concrete = compiled.get_concrete_function(*specs)
  variables = {id(variable.handle): variable for variable in concrete.graph.variables}
  captured = []
  for number, tensor in enumerate(concrete.captured_inputs):
    variable = variables.get(id(tensor))
    name = f"constant {number}" if variable is None else variable.name
    captured.append((name, np.asarray(tensor if variable is None else variable)))
  try:
    program = compiled.experimental_get_compiler_ir(*specs)(stage="stablehlo")
  except (tf.errors.OpError, ValueError) as error:
    remedy = "choose other terms or another model"
    raise InputError("an attack that XLA can compile", str(error)[:200], remedy) from error
  return str(program), captured


def _check(program: str, arrays: list[Array]) -> None:
  """That @main's arguments have the shapes of these arrays."""
  head = program[program.index("@main(") :].split("->")[0]
  expected = [
    [int(size) for size in re.findall(r"(\d+)x", shape)]
    for shape in re.findall(r"%arg\d+: tensor<([^>]*)>", head)
  ]
  if expected != [list(array.shape) for array in arrays]:
    wanted, remedy = f"a program of {len(arrays)} arguments", "try another TensorFlow"
    raise InputError(wanted, f"one of {len(expected)}", remedy)


def _smaller(array: Array) -> Array:
  """Floats in 16 bits where there are many and all of them stay finite."""
  if array.size < _LARGE or array.dtype != np.float32 or np.abs(array).max() > 6e4:
    return array
  return array.astype(np.float16)
