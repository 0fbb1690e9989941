"""Names that are imported when they are asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hfc_tf
from hfc_tf import attacks, data, detectors, evaluation, models
from hfc_tf.errors import InputError
from hfc_tf.lazy import Registry, load

ROOT = Path(__file__).parents[1]
BINARIES = sorted(path.name for path in (ROOT / "bin").iterdir() if path.is_file())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """Runs an executable where TensorFlow and Keras cannot be imported."""
  folder = tmp_path_factory.mktemp("without")
  for name in ("tensorflow", "keras"):
    (folder / f"{name}.py").write_text("raise AssertionError('imported before flags are checked')")
  path = os.pathsep.join([str(folder), str(ROOT)])
  environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}

  def go(name, *arguments, **more):
    return subprocess.run(
      [sys.executable, ROOT / "bin" / name, *arguments],
      capture_output=True,
      text=True,
      env={**environment, "PYTHONPATH": path, **more},
      timeout=60,
    )

  return go


@pytest.mark.parametrize("name", BINARIES)
def test_help_and_wrong_flags_need_no_tensorflow(run, name):
  result = run(name, "--help")
  assert result.returncode == 0 and "--out:" in result.stdout and result.stderr == ""
  wrong = run(name, "--misspelt")
  assert wrong.returncode == 2 and "misspelt" in wrong.stderr and wrong.stderr.count("\n") == 1


@pytest.mark.parametrize(
  ("name", "argument", "line"),
  [
    ("run_attack", "--attack=nonsense", "--attack among fgsm"),
    ("run_attack", "--attack=bim,bim", "--attack without repetition"),
    ("run_attack", "--out=", "--out=''"),
    ("run_attack", "--detectors=", "--detectors=[]"),
    ("run_attack", "--learning_rate=nan", "--learning_rate=nan"),
    ("run_attack", "--depth=3", "--data_dir with --dataset=volumes"),
    ("run_attack", "--data_dir=/nowhere", "--data_dir"),
    ("run_adaptive", "--bounds=none", "--bounds among selective, orthogonal"),
    ("run_budget", "--budget=0", "--budget"),
    ("run_layers", "--attack=bim,pgd", "one attack at --attack"),
    ("run_budget", "--models=nope", "--models among resnet18_3d"),
    ("run_classifiers", "--datasets=nope", "--datasets among chest"),
    ("run_classifiers", "--datasets=chest:4", "NAME:SIDE=FOLDER"),
    ("run_volumes", "--datasets=chest=/nowhere", "--datasets"),
    ("run_volumes", "--crop=8", "--crop=D,H,W"),
    ("run_components", "--count=0", "--count from 1"),
    ("run_medical_natural", "--natural_eps=-1", "--natural_eps"),
    ("run_ood", "--lesions=huge:1", "size:number"),
    ("run_pretraining", "--dataset=chest", "--weights=FILE or --weights=imagenet"),
    ("run_pretraining", "--trainings=1", "--trainings from 2"),
    ("run_semi_white_box", "--substitutes=nope", "--substitutes among"),
    ("run_stress_test", "--natural_epochs=3", "--natural_dir with --natural_epochs"),
    ("run_stress_test", "--natural_model_path=x.keras", "--natural_dir with --natural_model"),
    ("reproduce", "--only=nope", "--only among detection"),
    ("reproduce", "--models=nope", "--models among resnet18_3d"),
    ("benchmark", "--model=nope", "nope"),
  ],
)
def test_wrong_values_need_no_tensorflow(run, name, argument, line):
  done = run(name, argument)
  assert done.returncode == 2 and line in done.stderr and done.stderr.count("\n") == 1


def test_another_backend_is_one_line(run, tmp_path):
  done = run("run_attack", f"--out={tmp_path}", KERAS_BACKEND="jax")
  assert done.returncode == 2 and "found jax" in done.stderr and done.stderr.count("\n") == 1


def test_a_registry_imports_what_is_asked_for():
  names = Registry({"join": "os.path:join", "nowhere": "no.such.module:name"})
  assert list(names) == ["join", "nowhere"] and "join" in names and len(names) == 2
  assert names["join"] is os.path.join
  with pytest.raises(ModuleNotFoundError):
    names["nowhere"]
  names["nowhere"] = len
  assert dict(names.items()) == {"join": os.path.join, "nowhere": len}
  with pytest.raises(KeyError):
    names["other"]


@pytest.mark.parametrize(
  "registry", [attacks.ATTACKS, data.DATASETS, detectors.DETECTORS, models.MODELS]
)
def test_every_registered_name_is_there(registry):
  assert all(callable(constructor) for constructor in registry.values())


def test_keys_are_those_of_the_classes():
  assert all(kind.key == key for key, kind in detectors.DETECTORS.items())


@pytest.mark.parametrize("package", [hfc_tf, attacks, detectors])
def test_public_names_are_listed_and_there(package):
  assert set(package.__all__) <= set(dir(package))
  assert all(getattr(package, name) is not None for name in package.__all__)


def test_packages_are_attributes():
  assert hfc_tf.data.load is data.load and hfc_tf.data.splits.__name__ == "hfc_tf.data.splits"
  assert hfc_tf.detectors is detectors and hfc_tf.evaluation is evaluation
  assert callable(hfc_tf.evaluation.metrics.auc)
  with pytest.raises(AttributeError, match="no attribute 'nope'"):
    hfc_tf.nope  # noqa: B018


def test_keras_is_asked_for_its_backend_first(monkeypatch):
  monkeypatch.setattr("hfc_tf.lazy.check_backend", lambda: (_ for _ in ()).throw(ZeroDivisionError))
  with pytest.raises(ZeroDivisionError):
    load("hfc_tf.taps:TappedModel")
  assert load("hfc_tf.errors:InputError") is InputError
