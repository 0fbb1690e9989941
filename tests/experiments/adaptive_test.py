import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks.objectives import Batch, Objective
from hfc_tf.experiments import adaptive
from hfc_tf.results.labels import ADAPTIVE_METHODS as METHODS
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.study import Study
from tests.experiments import shared


def test_experiment():
  config = shared.config(hfc_weights=("1",), detectors=("maha", "squeezing"), tuning_images=16)
  results = shared.run(adaptive, config, ("orthogonal",))
  rows = {(r["method"], r["detector"]): r for r in results["rows"]}
  assert {method for method, _ in rows} <= set(METHODS)
  assert ("hfc", "maha") in rows and ("orthogonal", "maha") in rows
  assert ("orthogonal", "squeezing") in rows
  assert {row["first"] for row in results["pairs"]} == {"paper"}
  ours = {"hfc", "hfc_typical", "orthogonal"}
  assert {row["second"] for row in results["pairs"]} == {method for method, _ in rows} - ours
  for (method, _), row in rows.items():
    assert (row["term_weight"] is None) == (method in ("none", "orthogonal"))
  named = [text for text in results["warnings"] if "'auto' is left out" in text]
  assert all("At weight 0 it is " in text for text in named)
  named += [text for text in results["warnings"] if "KDE attacks the detector kd, which is" in text]
  assert len({method for method, _ in rows}) + len(named) == 8
  # Who knows the detector is below who does not.
  knowing = rows["orthogonal", "maha"]["auc_within_class"]
  assert knowing is None or knowing <= rows["none", "maha"]["auc_within_class"]
  assert "TMI, Table II" in shared.page(results)


class Copy(Objective):
  """The cross-entropy again, `factor` times as large."""

  name = "copy"

  def __init__(self, factor):
    self.factor = factor

  def term(self, state, batch, logits, features):
    return self.factor * tf.nn.sparse_softmax_cross_entropy_with_logits(batch.targets, logits)


@pytest.mark.parametrize("factor", [0.01, 7.0])
def test_the_search_starts_where_gradients_are_equal(factor):
  study = Study(shared.config().resolved())
  attack = study.attack("bim", Copy(factor))
  assert hfc_weight.balanced_weight(study, attack, "copy") == pytest.approx(1 / factor, rel=1e-4)


def test_rivals_lead_to_the_target_class():
  study = Study(shared.config(detectors=("kd", "maha", "kd(form=eq20)")).resolved())
  detectors = comparison.fit_detectors(study, "bim", {"attack": study.attack("bim")})
  rivals = adaptive.rivals(study, detectors)
  assert list(rivals) == ["guide_random", "guide_closest", "kde", "kde(form=eq20)", "lid"]
  assert METHODS["kde(form=eq20)"] == "KDE(form=eq20)"
  assert [rivals[method].reads_clean for method in list(rivals)[:2]] == [False, True]
  clean, images = study.clean["adv_test"], tf.constant(study.images("adv_test"))
  features = {name: tf.constant(means) for name, means in clean.features.items()}
  for method in list(rivals)[:4]:
    term, values = rivals[method], []
    for target in (0, 1):
      ids = tf.range(len(clean))
      batch = Batch(images, tf.fill(len(clean), target), ids, tf.constant(0), features)
      values.append(term.term(term.prepare(batch), batch, clean.logits, features))
    of_label = np.where(clean.labels == 0, *values)  # clean images of a class are near the class
    assert of_label.mean() < np.where(clean.labels == 1, *values).mean(), method
