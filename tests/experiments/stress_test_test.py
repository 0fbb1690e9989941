import dataclasses
import types

import keras
import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import stress_test
from hfc_tf.experiments.natural import Natural
from hfc_tf.taps import Taps
from tests.experiments import shared


def by_place(rows, **wanted):
  return [r for r in rows if all(r[name] == value for name, value in wanted.items())]


@pytest.fixture
def natural(tmp_path):
  """Dark and bright noise, which is soon told apart, passes for natural images."""
  labels = np.arange(200) % 2
  noise = np.random.default_rng(0).integers(0, 90, (200, 16, 16, 3))
  images = (noise + 100 * labels[:, None, None, None]).astype(np.uint8)
  np.savez(tmp_path / "some.npz", images=images, labels=labels)
  return tmp_path / "some.npz"


def test_experiment_on_both_domains(thin_models, natural):
  other = Natural(str(natural), "npz", image_size=16, epochs=4)
  results = shared.run(stress_test, shared.config(), images=8, iterations=4, natural=other)
  rows = results["rows"]
  assert {r["domain"] for r in rows} == {"medical", "natural"}
  miccai = by_place(rows, paper="MICCAI 2021, Table 1", domain="medical", direction="up")
  assert [r["layer_number"] for r in miccai] == [7, 8, 9]
  tmi = by_place(rows, paper="TMI, Fig. 4", domain="natural", direction="up")
  assert [r["layer"].split("_")[0] for r in tmi] == ["stem", "stage1", "stage2"]
  assert {(r["eps_256"], r["steps"]) for r in rows} == {(8.0, 4), (1.0, 10)}
  for row in rows:
    moved = row["mean_after"] - row["mean_before"]
    assert moved > 0 if row["direction"] == "up" else moved < 0
    assert row["ratio"] == pytest.approx(abs(moved) / row["mean_before"])
    assert row["n_images"] == 8
  text = shared.page(results)
  assert "not tested" not in text.lower() and "drawn by a program; the natural" in text
  assert "0.0475" in text  # MICCAI's own figure stands beside


def test_the_papers_setting_has_the_papers_iterations(monkeypatch):
  asked = []
  study = types.SimpleNamespace(
    config=types.SimpleNamespace(step_size_256=0.02), clean={"adv_test": Taps({}, None, None, "")}
  )
  monkeypatch.setattr(stress_test, "Study", lambda config: study)
  monkeypatch.setattr(stress_test, "choose_layers", lambda *given: [])
  monkeypatch.setattr(stress_test, "block_ends", lambda *given: [])

  def stressed(study, domain, images, paper, eps, steps, layers):
    asked.append((eps, steps))
    if paper == stress_test.TMI:
      raise KeyboardInterrupt
    return []

  monkeypatch.setattr(stress_test, "stressed", stressed)
  with pytest.raises(KeyboardInterrupt):
    stress_test.run(shared.Config(setting="papers"))
  assert asked == [(8.0, 800), (1.0, 10)]


def test_a_natural_classifier_of_the_users_own(natural, tmp_path):
  images = keras.Input((16, 16, 3))
  x = keras.layers.ReLU(name="seen")(keras.layers.Conv2D(3, 1, name="mixed")(images))
  logits = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))
  model = keras.Model(images, logits)
  # Bright images are of class 1.
  dense = (np.array([[-9.0, 9.0]] * 3), np.array([10.0, -10.0]))
  model.set_weights([np.eye(3)[None, None], np.zeros(3), *dense])
  model.save(tmp_path / "natural.keras")
  other = Natural(str(natural), "npz", image_size=16, model_path=str(tmp_path / "natural.keras"))
  results = shared.run(stress_test, shared.config(), images=8, iterations=2, natural=other)
  classifier = results["classifier"]["natural"]
  assert classifier["name"] == other.model_path and classifier["accuracy"] == 1.0
  assert {r["layer"] for r in by_place(results["rows"], domain="natural")} == {"seen"}
  assert other.flags() == {
    "natural_dir": str(natural), "natural_dataset": "npz", "natural_images": 20000,
    "natural_size": 16, "natural_model_path": other.model_path, "natural_preprocessing": "auto",
  }  # fmt: skip
  # With its outputs in the other order it gets none right.
  swapped = dataclasses.replace(other, classes=("class 1", "class 0"))
  with pytest.raises(InputError, match="found 0 of class class 1, 0 of class class 0"):
    shared.run(stress_test, shared.config(), images=8, iterations=2, natural=swapped)


def test_without_natural_images_it_says_so():
  config = shared.config(step_size_256=4.0)
  results = shared.run(stress_test, config, ["9"], images=8, iterations=0)
  assert {r["layer_number"] for r in results["rows"]} == {9}
  # Without a number of iterations the general rule 2 eps / step counts them.
  assert {(r["eps_256"], r["steps"]) for r in results["rows"]} == {(8.0, 4), (1.0, 10)}
  assert {r["step_size_256"] for r in results["rows"] if r["eps_256"] == 8} == {4.0}
  assert "Natural images were not tested" in shared.page(results)
