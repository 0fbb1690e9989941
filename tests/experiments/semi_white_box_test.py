import json

import keras
import numpy as np
import pytest

from hfc_tf.experiments import semi_white_box
from hfc_tf.models import MODELS, training
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from tests.experiments import shared


def test_experiment(thin_models, tmp_path):
  # A folder of its own: the split that victim and substitute share is read from there.
  config = shared.config(
    hfc_weights=("1",), detectors=("kd", "maha"), epochs=4, out=str(tmp_path)
  )  # fmt: skip
  results = shared.run(semi_white_box, config)
  rows = {(r["substitute"], r["hfc"], r["detector"]): r for r in results["rows"]}
  assert len(rows) == len(results["rows"]) == 2 * 2 * 2
  white_box, other = rows[None, False, "kd"], rows["small_resnet", False, "kd"]
  # Whoever knows the victim does better, on the same images.
  assert white_box["adv_acc"] > other["adv_acc"] and white_box["n_clean"] == other["n_clean"]
  of_class = zip(*(rows["small_resnet", hfc, "kd"]["by_class"] for hfc in (False, True)),
                 strict=True)  # fmt: skip
  judged = any(not (one["left_out"] or other["left_out"]) for one, other in of_class)
  pairs = [(r["substitute"], r["first"]) for r in results["pairs"]]
  assert pairs == [("small_resnet", "paper")] * judged
  page = shared.page(results)
  assert "made on a small ResNet trained apart from random weights, without HFC" in page
  assert "TMI, Table IV" in page
  # The substitute has a classifier and a density of its own; Train is the victim's.
  artefacts = tmp_path / "artefacts"
  assert len(list((artefacts / "classifier").iterdir())) == 1
  assert len(list((artefacts / "density").iterdir())) == 2
  splits = [json.loads(path.read_text()) for path in tmp_path.rglob("split.json")]
  assert len(splits) == 2 and splits[0]["train"] == splits[1]["train"]
  assert not set(splits[0]["train"]) & set(splits[1]["test"])


def drawn(folder, channels):
  """Dark and bright images and their labels, also in a file."""
  labels = np.arange(200) % 2
  pixels = np.random.default_rng(0).integers(0, 90, (200, 16, 16, channels))
  pixels = (pixels + 100 * labels[:, None, None, None]).astype(np.uint8)
  np.savez(folder / "drawn.npz", images=pixels, labels=labels)
  return pixels, labels


def of_drawn(folder, **changes):
  return Config(
    dataset="npz", data_dir=str(folder / "drawn.npz"), image_size=16, epochs=4, min_accuracy=0.9,
    learning_rate=0.01, eps_256=32.0, steps=4, components=2, hfc_weights=("1",), batch_size=16,
    detectors=("maha",), out=str(folder / "out"), **changes,
  )  # fmt: skip


@pytest.mark.parametrize("channels", [3, 1])
def test_a_substitute_learns_through_the_victims_preprocessing(
  thin_models, monkeypatch, tmp_path, channels
):
  def prepared(images):
    return keras.applications.vgg16.preprocess_input(255 * images)

  pixels, labels = drawn(tmp_path, channels)
  images = prepared(np.broadcast_to(pixels / np.float32(255), (200, 16, 16, 3)))
  model = MODELS["small_resnet"]((16, 16, 3), 2)
  training.train(model, images, labels, images, labels, epochs=4, batch_size=16)
  model.save(tmp_path / "mine.keras")
  studies, beside = [], Study.beside

  def noted(*args, **changes):
    studies.append(beside(*args, **changes))
    return studies[-1]

  monkeypatch.setattr(Study, "beside", noted)
  config = of_drawn(tmp_path, model_path=str(tmp_path / "mine.keras"), preprocessing="caffe")
  results = shared.run(semi_white_box, config, ["small_resnet"])
  # What the substitute says of images in [0, 1] is what its network says of prepared ones.
  (substitute,) = studies
  some = substitute.images("adv_test")[:8]
  (path,) = (tmp_path / "out" / "artefacts" / "classifier").glob("*/model.keras")
  network = keras.models.load_model(path)
  logits = network.predict(prepared(np.broadcast_to(some, (8, 16, 16, 3))), verbose=0)
  assert abs(substitute.victim.model.taps(some).logits - logits).max() < 1e-3
  starts = {row["substitute"]: row["start"] for row in results["rows"]}
  assert starts == {None: "unknown", "small_resnet": None}


@pytest.mark.parametrize("channels", [(3, 1), (1, 3)])
def test_a_substitute_may_have_other_channels_than_the_victim(thin_models, tmp_path, channels):
  theirs, ours = channels  # of a grey image copied, or of a colour image's luminance
  pixels, labels = drawn(tmp_path, ours)
  images = pixels / np.float32(255)
  images = np.repeat(images, 3, -1) if theirs == 3 else images.mean(-1, keepdims=True)
  model = MODELS["small_resnet"]((16, 16, theirs), 2)
  training.train(model, images, labels, images, labels, epochs=4, batch_size=16)
  model.save(tmp_path / "mine.keras")
  config = of_drawn(tmp_path, model_path=str(tmp_path / "mine.keras"))
  results = shared.run(semi_white_box, config, ["small_resnet"])
  assert {row["substitute"] for row in results["rows"]} == {None, "small_resnet"}
  # Copied channels never differ, and one channel has nothing to differ from.
  assert {row["auc"] for row in results["sanity"]} == {0.5 if theirs == 3 else None}


def test_substitutes_share_the_start_and_have_none(thin_models, tmp_path):
  start = str(tmp_path / "start.weights.h5")
  drawn(tmp_path, 1)
  MODELS["small_resnet"]((16, 16, 1), 2, seed=9).save_weights(start)
  config = of_drawn(tmp_path, model="small_resnet", weights=start)
  results = shared.run(semi_white_box, config)
  rows = {(row["substitute"], row["start"]) for row in results["rows"]}
  assert rows == {(None, start), ("small_resnet", start), ("small_resnet", None)}
  assert "trained apart from start.weights.h5" in shared.page(results)
  assert results["papers_setting"]["holds"][-1] == "start from start.weights.h5"
