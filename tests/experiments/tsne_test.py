import numpy as np
import pytest
from scipy.spatial.distance import cdist

from hfc_tf.errors import InputError
from hfc_tf.experiments import tsne
from hfc_tf.experiments.measures import separability
from hfc_tf.study.study import Study
from tests.experiments import shared


def test_experiment():
  config = shared.config(hfc=True, hfc_weights=("1",))
  results = shared.run(tsne, config, ["1", "9"])
  groups = ("clean_original", "attack", "hfc")
  assert [(r["layer_number"], r["group"]) for r in results["rows"]] == [
    (number, group) for number in (1, 9) for group in groups
  ]
  study = Study(config.resolved())
  clean, targets = study.clean["adv_test"], study.targets["adv_test"]
  attacks = {"attack": study.attack("bim"), "hfc": study.attack("bim", study.hfc)}
  for row in results["rows"]:
    taps, chosen = clean, clean.labels != row["target"]
    if row["group"] in attacks:
      taps = study.taps_of(study.attacked("bim", attacks[row["group"]], "adv_test"), "adv_test")[0]
      chosen = (targets == row["target"]) & (taps.predictions == targets)
    group = taps.features[row["layer"]][chosen]
    normal = clean.features[row["layer"]][clean.labels == row["target"]]
    apart = np.median(cdist(group, normal).min(1)) / np.median(np.sort(cdist(normal, normal))[:, 1])
    assert row["distance"] == pytest.approx(apart, rel=1e-4)
    assert (row["n_group"], row["n_clean"]) == (len(group), len(normal))
    assert row["neighbours"] == separability(normal, group, config.seed).neighbours
    assert row["hfc_weight"] == (1.0 if row["group"] == "hfc" else 0.0)
  assert len({row["distance"] for row in results["rows"]}) == len(results["rows"])
  text = shared.page(results)
  assert "synthetic" in text and text.count('src="data:image/png') == 2
  assert "layer 9 of 9" in text


def test_unknown_layer():
  with pytest.raises(InputError, match="a layer from 1 to 9"):
    shared.run(tsne, shared.config(), ["10"])
