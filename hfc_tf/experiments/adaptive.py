"""Does HFC hide better than other adaptive attacks?

MICCAI Table 3 and TMI Table II: features like those of a random or the closest guide image (Sabour
et al., 2016), the loss of the kernel density (Carlini and Wagner, 2017), that of the local
intrinsic dimensionality (Athalye et al., 2018), and HFC. Each term has the largest weight that
keeps Adv. Acc at 95 % on AdvTrain. Beyond the papers, two attacks that know the detector
(Bryniarski et al., 2021) bound what any attack can hide from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hfc_tf.attacks import AIMS, OrthogonalPGD, SelectivePGD
from hfc_tf.attacks.objectives import KDE, LID, Guide, Objective
from hfc_tf.detectors.base import Detector
from hfc_tf.detectors.kernel_density import KernelDensity
from hfc_tf.experiments.common import hfc_study, labelled_rows, study_result
from hfc_tf.results import tables
from hfc_tf.results.labels import ADAPTIVE_METHODS as METHODS
from hfc_tf.results.labels import KNOWING, attack_label, fraction
from hfc_tf.results.result import Result
from hfc_tf.results.rows import AdaptiveRow
from hfc_tf.study import attacks, comparison, hfc_weight, pairs
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

BOUNDS = dict(zip(KNOWING, (SelectivePGD, OrthogonalPGD), strict=True))
_NOTES = (
  "The detectors learnt from the attack without any term. KDE lowers the score that the deployed "
  "kernel density gives images of the target's class; Selective and Orthogonal PGD know the one "
  f"detector in whose column they stand; no other attack knows any. {tables.CELLS}",
)


def run(config: Config, bounds: Sequence[str] = tuple(BOUNDS)) -> Result:
  """Attacks with every method.

  Args:
    config: its first attack, and HFC of both aims at its weights.
    bounds: which of the attacks that know the detector are made, keys of BOUNDS.
  """
  study, name = hfc_study(config)
  plain = study.attack(name)
  detectors = comparison.fit_detectors(study, name, {"attack": plain})
  results = {"none": comparison.evaluate(study, name, plain)}
  weights: dict[str, float | None] = {"none": None}
  for method, term in rivals(study, detectors).items():
    attack = study.attack(name, term)
    start = hfc_weight.balanced_weight(study, attack, term.name)
    weight = hfc_weight.tune_weight(study, name, attack, term.name, start, start)
    if weight is not None:
      weighted = hfc_weight.with_weight(attack, term.name, weight)
      results[method] = comparison.evaluate(study, name, weighted, "auto")
      weights[method] = weight
  for aim in AIMS:
    for rule, attack in hfc_weight.hfc_attacks(study, name, aim).items():
      label = f"{'hfc' if aim == 'mode' else 'hfc_typical'} {rule}"
      results[label] = comparison.evaluate(study, name, attack, rule)
      weights[label] = attack.weights["hfc"]
  compared = comparison.score(study, detectors, results)
  rows = [
    AdaptiveRow(**row, method=label.split()[0], term_weight=weights[label])
    for label, row in labelled_rows(compared)
  ]
  ours = next((f"hfc {rule}" for rule in pairs.FORMS if f"hfc {rule}" in results), None)
  paired = [
    row for label in results if ours and not label.startswith("hfc")
    for row in pairs.pair("method", (compared, ours), (compared, label), first=ours[4:])
  ]  # fmt: skip
  for bound in bounds:
    rows += against_detectors(study, bound, detectors)
  table = tables.detector_table(
    f"{tables.AREAS} [95 % interval] (pooled), by method.", rows,
    {"Method": _label},
    {"Adv. Acc": tables.adv_acc, "Weight": lambda group: fraction(group[0].term_weight)},
    ("auc_within_class", tables.TWO_SIDED, "auc"),
  )  # fmt: skip
  published = tables.papers_table(
    "The papers: pooled AUC, percent.", setting="adaptive", dataset=study.config.dataset
  )
  return study_result(
    "adaptive", study, rows, {"pairs": paired}, title=f"Adaptive attacks, {attack_label(name)}",
    lead=[tables.means(rows, _label)], tables=[table, *published],
    notes=_NOTES,
  )  # fmt: skip


def rivals(study: Study, detectors: Mapping[str, Detector]) -> dict[str, Objective]:
  """The terms of the other adaptive attacks, by method; a KDE for each kernel density deployed."""
  train, layers = study.train, list(study.train.features)
  densities = {name: each for name, each in detectors.items() if isinstance(each, KernelDensity)}
  if not densities:
    study.warn("KDE attacks the detector kd, which is not among --detectors: left out.")
  return {
    "guide_random": Guide(train, "random", layers),
    "guide_closest": Guide(train, "closest", layers),
    **{f"kde{name.removeprefix('kd')}": KDE(each) for name, each in densities.items()},
    "lid": LID(train, seed=study.config.seed),
  }


def against_detectors(
  study: Study, method: str, detectors: Mapping[str, Detector]
) -> Iterator[AdaptiveRow]:
  """Each detector against the attack that knows it, a key of BOUNDS."""
  for name, detector in detectors.items():
    settings = attacks.settings(study.config, study.levels)
    attack = BOUNDS[method](study.attacked_model, detector, **settings)
    results = {method: comparison.evaluate(study, "pgd", attack)}
    for _, row in labelled_rows(comparison.score(study, {name: detector}, results)):
      yield AdaptiveRow(**row, method=method, term_weight=None)


def _label(row: AdaptiveRow) -> str:
  return METHODS[row.method] + (f" ({row.weight_rule})" if row.method.startswith("hfc") else "")
