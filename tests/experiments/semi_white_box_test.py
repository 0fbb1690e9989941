import json

from hfc_tf.experiments import semi_white_box
from tests.experiments import shared


def test_experiment(thin_models, tmp_path):
  # A folder of its own: the split that victim and substitute share is read from there.
  config = shared.config(
    hfc_weights=("1",), detectors=("kd", "maha"), epochs=4, out=str(tmp_path)
  )  # fmt: skip
  found = shared.run(semi_white_box, config)
  rows = {(r["substitute"], r["hfc"], r["detector"]): r for r in found["rows"]}
  assert len(rows) == len(found["rows"]) == 2 * 2 * 2
  own, other = rows[None, False, "kd"], rows["small_resnet", False, "kd"]
  # Whoever knows the victim does better, on the same images.
  assert own["adv_acc"] > other["adv_acc"] and own["n_clean"] == other["n_clean"]
  page = shared.page(found)
  assert "made on a small ResNet trained apart, without HFC" in page
  assert "TMI, Table IV" in page
  # The substitute has a classifier and a density of its own; Train is the victim's.
  kept = tmp_path / "artefacts"
  assert len(list((kept / "classifier").iterdir())) == 1
  assert len(list((kept / "density").iterdir())) == 2
  splits = [json.loads(path.read_text()) for path in tmp_path.rglob("split.json")]
  assert len(splits) == 2 and splits[0]["train"] == splits[1]["train"]
  assert not set(splits[0]["train"]) & set(splits[1]["test"])
