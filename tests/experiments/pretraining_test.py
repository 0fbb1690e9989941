import dataclasses
import json
import pathlib

import numpy as np
import pytest

from hfc_tf import data
from hfc_tf.attacks import BIM
from hfc_tf.data import splits
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import wilson
from hfc_tf.experiments import pretraining
from hfc_tf.models import MODELS
from hfc_tf.storage.store import Store
from hfc_tf.study.config import Config
from hfc_tf.study.sources import Sources, load_sources
from hfc_tf.study.victim import load_victim
from tests.experiments import shared

STARTS, SEEDS = ("weights", "scratch"), (3, 4)


SIDE = 16


def config(folder, **changes):
  """Dark and bright noise, which is soon told apart, and the weights of another training."""
  weights, images = folder / "start.weights.h5", folder / "some.npz"
  if not weights.exists():
    MODELS["small_resnet"]((SIDE, SIDE, 3), 2, seed=9).save_weights(weights)
    labels = np.arange(400) % 2
    noise = np.random.default_rng(0).integers(0, 90, (400, SIDE, SIDE, 3))
    bright = (noise + 16 * labels[:, None, None, None]).astype(np.uint8)
    np.savez(images, images=bright, labels=labels)
  small = {
    "components": 2, "steps": 4, "eps_256": 8.0, "min_accuracy": 0.0, "batch_size": 16,
    "dataset": "npz", "data_dir": str(images), "image_size": SIDE,
    "weights": str(weights), "model": "small_resnet", "model_path": None, "model_seed": SEEDS[0],
    "epochs": 6, "learning_rate": 3e-3, "detectors": ("kd", "maha"), "hfc_weights": ("1",),
    "tuning_images": 16, "grid": "float", "out": str(folder / "out"),
  }  # fmt: skip
  return Config(**(small | changes))


def picked(rows, **wanted):
  return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


@pytest.mark.slow
def test_experiment(thin_models, tmp_path):
  settings = config(tmp_path)
  budgets = {"budgets_256": [16.0, 4.0], "transfer_256": [16.0]}
  results = shared.run(pretraining, settings, 2, **budgets)
  rows = results["rows"]
  # All are attacked on the same images, which all get right.
  drawn = data.load("npz", settings.data_dir, SIDE, 0)
  split = json.loads((tmp_path / "out" / "split.json").read_text())
  place = {name: row for row, name in enumerate(drawn.ids)}
  test, attacked = ([place[name] for name in split[key]] for key in ("test", "adv_test"))
  images, labels = drawn.images(np.array(attacked), 3), drawn.labels[attacked]
  resolved = settings.resolved()
  store = Store(tmp_path / "out" / "artefacts")
  sources = load_sources(store, resolved, print)
  models = {
    (start, seed): load_victim(
      store,
      dataclasses.replace(
        resolved, weights=resolved.weights if start == "weights" else None, model_seed=seed
      ),
      print,
      sources,
    ).model
    for start in STARTS
    for seed in SEEDS
  }
  right = [
    model.taps(drawn.images(np.array(test), 3)).predictions == drawn.labels[test]
    for model in models.values()
  ]
  assert results["right_by_all"] == np.all(right, 0).sum() and set(attacked) <= set(
    np.array(test)[np.all(right, 0)]
  )
  for (start, seed), correct in zip(models, right, strict=True):
    (row,) = picked(rows, start=start, seed=seed, measure="accuracy")
    assert row["value"] == pytest.approx(correct.mean()) and row["n"] == len(test)
  for maker, model in models.items():
    for eps in (4.0, 16.0):
      attack = BIM(model, eps=eps / 256, steps=4, batch_size=16)
      made = np.concatenate([
        attack(images[labels == 1 - target], np.full((labels == 1 - target).sum(), target))
        for target in (0, 1)
      ])  # fmt: skip
      targets = np.repeat([0, 1], [(labels == 1).sum(), (labels == 0).sum()])
      for victim, other in models.items():
        reached = other.taps(made).predictions == targets
        if maker == victim:
          (row,) = picked(rows, start=victim[0], seed=victim[1], measure="adv_acc", eps_256=eps)
          assert row["value"] == pytest.approx(reached.mean())
          assert (row["low"], row["high"]) == wilson(reached.sum(), len(reached))
        made_on = "twin" if maker[0] == victim[0] else "across"
        made_on = "itself" if maker == victim else made_on
        shown = picked(
          rows, start=victim[0], seed=victim[1], measure="transfer", eps_256=eps,
          made_on=made_on, made_seed=maker[1],
        )  # fmt: skip
        # Across starts, too, another seed.
        if eps == 4.0 or (maker[1] == victim[1] and maker != victim):
          assert not shown
        else:
          assert [row["value"] for row in shown] == [pytest.approx(reached.mean())]
  measured = {(row["start"], row["seed"], row["measure"]) for row in rows}
  for start in STARTS:
    for seed in SEEDS:
      for measure in ("auc", "smallest_eps_256", "stress_ratio", "auc_within_class_two_sided"):
        assert (start, seed, measure) in measured
  # The rule compares the same figures.
  for each in picked(results["starts"], measure="adv_acc"):
    values = [row["value"] for row in picked(
      rows, start="scratch", measure="adv_acc", eps_256=each["eps_256"]
    )]  # fmt: skip
    assert each["scratch"]["mean"] == pytest.approx(np.mean(values))
    assert each["scratch"]["low"] <= min(values) and each["differ"] in (True, False, None)
  page = shared.page(results)
  assert "from start and from scratch" in page and "a twin of the same start" in page
  assert f"all classifiers get {results['right_by_all']} of {len(test)} Test images right" in page
  # What was trained for the experiment is what was loaded here.
  assert len(list((tmp_path / "out" / "artefacts" / "classifier").iterdir())) == len(models)


def test_images_that_all_get_right():
  drawn = data.load("chest", None, SIDE, 0, 200)
  train, test = splits.train_test(drawn, 0)
  sources = Sources(drawn, splits.Split(train, test), "key")
  with pytest.raises(InputError, match="two classes that all trainings get right; found"):
    pretraining._common(Config(), sources, test[:5])
  chosen = pretraining._common(Config(), sources, test[3:])
  attacked = np.concatenate([chosen.adv_train, chosen.adv_test])
  assert len(chosen.adv_test) and set(attacked) <= set(test[3:])
  whole = pretraining._common(Config(max_adv_train=0), sources, test[3:])  # 0: all
  assert (whole.adv_train == chosen.adv_train).all()
  # Given ones only shrink.
  again = pretraining._common(Config(), dataclasses.replace(sources, split=chosen), attacked[1:])
  assert (again.adv_train == chosen.adv_train[1:]).all()
  assert (again.adv_test == chosen.adv_test).all()


def test_what_it_needs(tmp_path):
  with pytest.raises(InputError, match="--weights=FILE"):
    pretraining.run(config(tmp_path, weights=None))
  with pytest.raises(InputError, match="no --model_path"):
    pretraining.run(config(tmp_path, model_path=str(tmp_path / "some.npz")))
  with pytest.raises(InputError, match="within a budget"):
    pretraining.run(config(tmp_path, attacks=("deepfool",)))
  with pytest.raises(InputError, match="at least 2 trainings"):
    pretraining.run(config(tmp_path), 1)
  assert not pathlib.Path(tmp_path, "out").exists()
