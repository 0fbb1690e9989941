import dataclasses
import functools
import pathlib
import sys

import keras
import pytest
from absl import flags

from hfc_tf.commands.flags import define, natural, typed
from hfc_tf.data import hub
from hfc_tf.errors import InputError
from hfc_tf.experiments.natural import Natural
from hfc_tf.study.config import Config


def made(*arguments, **defaults):
  values = flags.FlagValues()
  make = define(values, **defaults)
  values(["program", *arguments])
  return make()


def test_without_flags_it_is_the_default():
  assert made() == Config()


def test_flags_fill_their_fields():
  config = made(
    "--dataset=fundus", "--eps=2", "--step_size=0.5", "--attack=bim,pgd", "--hfc",
    "--hfc_weight=0.5,auto", "--detectors=kd", "--max_adv_test=7", "--out=x",
  )  # fmt: skip
  assert config == Config(
    dataset="fundus", eps_256=2.0, step_size_256=0.5, attacks=("bim", "pgd"), hfc=True,
    hfc_weights=("0.5", "auto"), detectors=("kd",), max_adv_test=7, out="x",
  )  # fmt: skip


def test_commas_in_parentheses_split_no_list():
  config = made(
    "--attack=bim, mim(decay=0.5, restarts=2),cw(kappa=0)", "--detectors=kd(form=eq20)",
    "--window=40,80", "--data_dir=x", "--dataset=volumes",
  )  # fmt: skip
  assert config.attacks == ("bim", "mim(decay=0.5,restarts=2)", "cw(kappa=0)")
  assert config.detectors == ("kd(form=eq20)",) and config.window == ("40", "80")
  (cut,) = made("--attack=bim(restarts=2").attacks
  with pytest.raises(InputError, match=r"NAME or NAME\(option=value"):
    Config(attacks=(cut,)).resolved()


def test_lists_survive_a_file_of_flags():
  values = flags.FlagValues()
  define(values)
  values(["program", "--attack=bim,mim(decay=0.5,restarts=2)"])
  assert values["attack"].serialize() == '--attack=bim,"mim(decay=0.5,restarts=2)"'
  assert made(values["attack"].serialize()).attacks == ("bim", "mim(decay=0.5,restarts=2)")


def test_a_binary_may_have_other_defaults():
  assert made(hfc=True, attacks=("pgd",)) == Config(hfc=True, attacks=("pgd",))
  assert made("--nohfc", "--attack=bim", hfc=True, attacks=("pgd",)) == Config()


def test_binaries_without_out_keep_their_own_pages_and_share_their_work():
  config = made(out="out/layers")
  assert (config.out, config.artefacts) == ("out/layers", "out/artefacts")
  assert made("--out=x", out="out/layers").artefacts is None
  assert made("--artefacts=y", out="out/layers").artefacts == "y"


@pytest.mark.parametrize(
  ("arguments", "needed"),
  [
    (["--hfc_weight=2"], "--hfc with --hfc_weight"),
    (["--aim=typical"], "--hfc with --aim"),
    (["--hfc_weight=1", "--tuning_images=9"], "--hfc with --"),
    (["--hfc", "--hfc_weight=1", "--tuning_images=9"], "--hfc_weight=auto with --tuning_images"),
    (["--window=40,80"], "--data_dir with --dataset=volumes"),
    (["--depth=8", "--dataset=brain"], "--data_dir with --dataset=volumes"),
    (["--stored_bits=12", "--dataset=npz", "--data_dir=x"], "--dataset=folder"),
    (["--window=40,80", "--dataset=npz", "--data_dir=x"], "--data_dir with --dataset=volumes"),
    (["--threads=2"], "--distribute=ray with --threads"),
    (["--distribute=mirrored", "--workers=2"], "--distribute=ray with --workers"),
    (["--distribute=ray", "--ray_address=auto", "--workers=2"], "no --ray_address with --workers"),
    (["--preprocessing=tf", "--weights=imagenet"], "no --weights=imagenet with --preprocessing"),
    (["--fixed=step"], "several budgets with --fixed"),
    (["--model_path=x.keras", "--epochs=3"], "no --model_path with --epochs"),
    (["--classes=a,b", "--data_dir=x"], "--model_path with --classes"),
  ],
)
def test_flags_without_an_effect_are_refused(arguments, needed):
  with pytest.raises(InputError, match=f"expected .*{needed}"):
    made(*arguments)


def test_flags_with_an_effect_pass():
  made("--hfc", "--hfc_weight=auto", "--tuning_images=9", "--aim=typical")
  made("--hfc_weight=2", hfc=True)
  made("--hfc_weight=2", "--tuning_images=9", hides=True)
  made("--dataset=brain", "--data_dir=x", "--depth=8", "--window=40,80")
  made("--dataset=npz", "--data_dir=x", "--depth=8")
  made("--distribute=ray", "--workers=2", "--threads=2")
  made("--model_path=x.keras", "--preprocessing=tf")
  made("--model_path=x.keras", "--classes=a,b", "--data_dir=x")
  made("--model=vgg16", "--preprocessing=caffe")
  made("--fixed=step", several_budgets=True)
  made("--model_path=x.keras", "--epochs=3", trains_others=True)


def test_the_papers_setting_fills_in_what_was_not_typed():
  papers = made("--setting=papers", hfc_weights=("auto",))
  assert papers == Config(
    setting="papers", image_size=256, eps_256=1.0, step_size_256=0.02, hfc_weights=("1",),
    max_adv_train=0, fixed="step",
  )  # fmt: skip
  done = papers.resolved()
  assert (done.model, done.steps, done.step_size_256) == ("resnet50", 100, pytest.approx(0.02))
  # Also the common default, where it was typed.
  typed = ["--image_size=64", "--eps=2", "--hfc_weight=1,auto", "--max_adv_train=400", "--steps=7"]
  done = made("--setting=papers", "--hfc", "--model=vgg16", *typed).resolved()
  assert (done.image_size, done.eps_256, done.hfc_weights) == (64, 2.0, ("1", "auto"))
  assert (done.max_adv_train, done.steps, done.model) == (400, 7, "vgg16")
  assert done.step_size_256 == pytest.approx(4 / 7)
  # An experiment's own budget is the papers' there.
  assert made("--setting=papers", eps_256=4.0).resolved().steps == 400


def test_every_field_has_a_flag():
  values = flags.FlagValues()
  define(values)
  fields = {field.name for field in dataclasses.fields(Config)}
  renamed = {"attacks": "attack", "hfc_weights": "hfc_weight", "eps_256": "eps",
             "step_size_256": "step_size"}  # fmt: skip
  assert {renamed.get(field, field) for field in fields} <= set(values)


def test_flags_count_as_those_of_the_binary_so_that_help_shows_them():
  values = flags.FlagValues()
  define(values)
  here = {flag.name for flag in values.get_key_flags_for_module(sys.modules[__name__])}
  assert {"dataset", "hfc", "eps", "out"} <= here


def test_what_was_typed_is_known_whatever_its_value():
  values = flags.FlagValues()
  define(values, attacks=("pgd",))
  values(["program", "--attack=bim", "--nohfc", "--eps=4"])
  assert typed(values) == {"attacks", "hfc", "eps_256"}


def test_data_sets_of_other_libraries_are_fetched_and_read_as_npz(monkeypatch):
  asked = []

  def fetch(name, image_size):
    asked.append((name, image_size))
    return pathlib.Path("cache/pneumoniamnist_64.npz")

  monkeypatch.setattr(hub, "fetch", fetch)
  config = made("--dataset=medmnist/pneumoniamnist", "--image_size=48")
  assert asked == [("medmnist/pneumoniamnist", 48)]
  assert (config.dataset, config.data_dir) == ("npz", "cache/pneumoniamnist_64.npz")
  made("--dataset=chest")
  with pytest.raises(InputError, match="--distribute=ray with --threads"):
    made("--dataset=medmnist/pneumoniamnist", "--threads=2")
  assert len(asked) == 1  # nothing is fetched for a wrong command
  monkeypatch.undo()
  with pytest.raises(InputError, match="medmnist/NAME or tfds/NAME; found 'others/x'"):
    made("--dataset=others/x")


def test_images_are_as_large_as_the_model_takes_them(tmp_path):
  path = str(tmp_path / "mine.keras")
  keras.Sequential([keras.layers.Input((40, 40, 3)), keras.layers.Flatten()]).save(path)
  assert made(f"--model_path={path}", "--data_dir=x").image_size == 40
  assert made(f"--model_path={path}", "--data_dir=x", "--image_size=64").image_size == 64
  assert made(f"--model_path={path}", image_size=32).image_size == 40
  (tmp_path / "broken.keras").write_bytes(b"PK")
  assert made(f"--model_path={tmp_path}/broken.keras").image_size == 64
  assert made(f"--model_path={tmp_path}/broken.keras", image_size=32).image_size == 32


def test_natural_images_and_their_model_by_flags(tmp_path, monkeypatch):
  path = str(tmp_path / "theirs.keras")
  keras.Sequential([keras.layers.Input((40, 40, 3)), keras.layers.Flatten()]).save(path)
  values = flags.FlagValues()
  monkeypatch.setattr(flags, "FLAGS", values)
  for kind in ("string", "integer", "list"):
    define_flag = getattr(flags, f"DEFINE_{kind}")
    monkeypatch.setattr(flags, f"DEFINE_{kind}", functools.partial(define_flag, flag_values=values))
  images = natural()

  def given(*arguments):
    values.unparse_flags()
    for name in values:
      values[name].unparse()
    values(["program", *arguments])
    return images()

  assert given() is None
  folder = f"--natural_dir={tmp_path}"
  alone = given(folder)
  assert (alone.model_path, alone.image_size) == (None, Natural("").image_size)
  theirs = given(folder, "--natural_dataset=folder", f"--natural_model_path={path}")
  assert (theirs.dataset, theirs.model_path, theirs.image_size) == ("folder", path, 40)
  assert (theirs.preprocessing, theirs.classes) == ("auto", None)
  ordered = given(folder, f"--natural_model_path={path}", "--natural_classes=ship,cat")
  assert ordered.classes == ("ship", "cat")
  assert ordered.flags()["natural_classes"] == "ship,cat"
  assert given(folder, f"--natural_model_path={path}", "--natural_size=32").image_size == 32
  for wrong, message in (
    ([folder, f"--natural_model_path={path}", "--natural_epochs=3"], "with --natural_epochs"),
    ([folder, "--natural_preprocessing=caffe"], "--natural_model_path with"),
    ([folder, "--natural_classes=ship,cat"], "--natural_model_path with"),
    (["--natural_size=32"], "--natural_dir with --natural_size"),
  ):
    with pytest.raises(InputError, match=message):
      given(*wrong)
