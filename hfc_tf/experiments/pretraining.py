"""What the papers call medical vulnerability: is it medicine, or the start of training?

Beyond the papers. One architecture on one data set, trained several times from given weights
(ImageNet's, as the papers' classifiers) and as often from scratch, with the same schedule and on
the same Train. All are attacked on the same AdvTrain and AdvTest, Test images that every one of
them gets right, so that the sides differ in nothing but the start.

The rule, fixed before any results: two starts differ in a figure where its 95 % intervals over
trainings do not overlap; see `hfc_tf.results.starts`.
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.data import splits
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import wilson
from hfc_tf.evaluation.protocol import AttackResult
from hfc_tf.experiments import check, stress_test
from hfc_tf.experiments.common import block_ends, labelled_rows, study_result
from hfc_tf.experiments.pretraining_page import shown
from hfc_tf.results.result import Result
from hfc_tf.results.starts import TrainingRow, compare_starts
from hfc_tf.storage.store import Store
from hfc_tf.study import comparison, hfc_weight, stages
from hfc_tf.study.config import Config
from hfc_tf.study.sources import Sources, load_sources
from hfc_tf.study.study import Study
from hfc_tf.study.victim import load_victim

BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0)  # 1/256, of the curve
TRANSFER = (4.0, 8.0)  # 1/256, of images made on another training
_STRESS = (64, stress_test.TMI, 1.0, 10)  # images, eps in 1/256 and iterations of TMI Fig. 4
_BISECTION = 2**0.25  # of `hfc_weight.smallest_budget`
Key = tuple[str, int]  # start and training seed


def run(
  config: Config,
  trainings: int = 3,
  budgets_256: Sequence[float] = BUDGETS,
  transfer_256: Sequence[float] = TRANSFER,
) -> Result:
  """Trains and attacks classifiers of both starts.

  Args:
    config: with `weights`, the start that is held against none; its first attack is made, its
      budget is that of the detectors. Training seeds count up from its `model_seed`, or its seed.
    trainings: of each start, at least two.
    budgets_256: of the curve of success, in 1/256.
    transfer_256: of images made on another training, in 1/256.

  Returns:
    The result; its summary holds "starts", a `StartsRow` a figure, and "right_by_all", how many
    Test images all classifiers get right.

  Raises:
    InputError: no start is given, or too few images are right under all classifiers.
  """
  check("pretraining", config)
  if trainings < 2:
    raise InputError("at least 2 trainings of each start", str(trainings), "raise --trainings")
  begun, config = time.monotonic(), dataclasses.replace(config, hfc=True).resolved()
  studies, right = _studies(config, trainings)
  first, name = studies["weights", _seed(config)], config.attacks[0]
  rows: list[TrainingRow] = []
  for key, study in studies.items():
    rows += _classifier(key, study)
    rows += _success(key, study, name, sorted(budgets_256))
    rows += _transfer(key, studies, name, sorted(transfer_256))
    rows += _features(key, study)
    rows += _detection(key, study, name)
  compared = compare_starts(rows)
  for (start, seed), study in list(studies.items())[1:]:
    first.warn(*(f"Start {start}, seed {seed}: {warning}" for warning in study.warnings))
  timing: dict[str, float] = collections.defaultdict(float)
  for study in studies.values():
    for each, seconds in study.timing.items():
      timing[each] += seconds
  timing["total"] = time.monotonic() - begun
  return study_result(
    "pretraining", first, rows,
    {"starts": compared, "right_by_all": right, "trainings": trainings,
     "timing": {each: round(seconds, 1) for each, seconds in timing.items()}},
    **shown(rows, compared, first.config, right, len(first.split.test)),
  )  # fmt: skip


def _seed(config: Config) -> int:
  """Of the first training."""
  return config.seed if config.model_seed is None else config.model_seed


def _studies(config: Config, trainings: int) -> tuple[dict[Key, Study], int]:
  """A study a training, all with the same images, and how many Test images all get right."""
  store = Store(config.artefacts or pathlib.Path(config.out) / "artefacts")
  warnings: list[str] = []
  sources = load_sources(store, config, warnings.append)
  configs = {
    (start, seed): dataclasses.replace(
      config, weights=weights, model_seed=seed, learning_rate=config.rate
    )
    for start, weights in (("weights", config.weights), ("scratch", Config.weights))
    for seed in range(_seed(config), _seed(config) + trainings)
  }
  test = sources.split.test
  right = np.ones(len(test), bool)
  for (start, seed), each in configs.items():
    victim = load_victim(store, each, warnings.append, sources)
    taps, _ = stages.clean_taps(store, sources, victim, test)
    correct = taps.predictions == taps.labels
    logging.info("start %s, seed %d: accuracy %.3f on Test", start, seed, correct.mean())
    right &= correct
  split = _common(config, sources, test[right])
  studies = {key: Study(each, store, sources.dataset, split) for key, each in configs.items()}
  studies["weights", _seed(config)].warn(*warnings)
  return studies, int(right.sum())


def _common(config: Config, sources: Sources, right: np.ndarray[Any, Any]) -> splits.Split:
  """The split with AdvTrain and AdvTest of these Test images; given ones only shrink."""
  split, labels = sources.split, sources.dataset.labels
  if len(split.adv_train) and len(split.adv_test):
    chosen = [np.intersect1d(rows, right) for rows in (split.adv_train, split.adv_test)]
  else:
    limits = config.max_adv_train or None, config.max_adv_test
    chosen = [np.zeros(0, np.int64)] * 2
    if sum(np.bincount(labels[right]) >= splits.ADVERSARIAL_FOLDS) > 1:
      chosen = list(splits.adversarial(sources.dataset, right, config.seed, *limits))
  if any(len(np.unique(labels[rows])) < 2 for rows in chosen):
    least, names = splits.ADVERSARIAL_FOLDS, sources.dataset.class_names
    counts = zip(np.bincount(labels[right], minlength=len(names)), names, strict=True)
    raise InputError(
      f"at least {least} Test images of two classes that all trainings get right",
      ", ".join(f"{count} of class {name}" for count, name in counts),
      "train longer, or give more images",
    )
  return dataclasses.replace(split, adv_train=chosen[0], adv_test=chosen[1])


def _classifier(key: Key, study: Study) -> Iterator[TrainingRow]:
  """How good it is on Test."""
  accuracy, total = study.classifier["accuracy"], len(study.split.test)
  low, high = wilson(round(accuracy * total), total) or (None, None)
  yield _row(key, "accuracy", accuracy, low=low, high=high, n=total)
  rarest = int(
    np.unique(study.sources.dataset.labels[study.split.test], return_counts=True)[1].min()
  )
  yield _area(key, "auc", study.classifier["auc"], rarest)


def _success(key: Key, study: Study, name: str, budgets: Sequence[float]) -> Iterator[TrainingRow]:
  """Adv. Acc on AdvTest at each budget, and the smallest budget with 95 % of it on AdvTrain."""
  for eps in budgets:
    result = comparison.evaluate(study, name, study.attack(name, eps=eps / 256))
    yield _reached(key, "adv_acc", result, eps)
    rounded = np.asarray(result.predictions_8bit == result.targets)[result.attacked]
    yield _share(key, "adv_acc_8bit", rounded, result, eps)
  smallest = hfc_weight.smallest_budget(study, name)
  yield _row(
    key, "smallest_eps_256", smallest and 256 * smallest, attack=name,
    low=smallest and 256 * smallest / _BISECTION, high=smallest and 256 * smallest,
  )  # fmt: skip


def _transfer(
  key: Key, studies: Mapping[Key, Study], name: str, budgets: Sequence[float]
) -> Iterator[TrainingRow]:
  """Success against one victim of images made on itself, on its twins and across starts."""
  for (start, seed), maker in studies.items():
    if (start, seed) != key and seed == key[1]:
      continue  # the same seed draws the same head and order
    made_on = "itself" if (start, seed) == key else "twin" if start == key[0] else "across"
    for eps in budgets:
      attack = maker.attack(name, eps=eps / 256)
      result = comparison.evaluate(studies[key], name, attack, by=maker)
      yield _reached(key, "transfer", result, eps, made_on=made_on, made_seed=seed)


def _features(key: Key, study: Study) -> Iterator[TrainingRow]:
  """The stress test of TMI Fig. 4: the change of the mean of each block's last layer."""
  layers = block_ends(study.clean["adv_test"].features)
  for row in stress_test.stressed(study, "medical", *_STRESS, layers):
    yield _row(
      key, "stress_ratio", row.ratio, eps_256=row.eps_256, steps=row.steps, n=row.n_images,
      layer=row.layer_number, layer_name=row.layer, direction=row.direction,
    )  # fmt: skip


def _detection(key: Key, study: Study, name: str) -> Iterator[TrainingRow]:
  """Detectors without and with HFC at the study's budget; none where they learn from too few."""
  try:
    compared = comparison.compare(study, name)
  except InputError as error:
    study.warn(f"no detectors: {error}")
    return
  for _, row in labelled_rows(compared):
    for measure in ("auc_within_class", "auc_within_class_two_sided"):
      yield _area(
        key, measure, row[measure], min(row["n_adversarial"], row["n_clean"]), attack=name,
        eps_256=row["eps_256"], steps=row["steps"], detector=row["detector"],
        weight_rule=row["weight_rule"], hfc_weight=row["hfc_weight"],
      )  # fmt: skip


def _row(key: Key, measure: str, value: float | None, **fields: Any) -> TrainingRow:
  return TrainingRow(start=key[0], seed=key[1], measure=measure, value=value, **fields)


def _area(key: Key, measure: str, area: float | None, n: int, **fields: Any) -> TrainingRow:
  """An AUC A with Wilson's interval on the n images of the smaller side, where it is never empty.

  The variance of an AUC is A (1 - A) / n at the most (Birnbaum and Klose, 1957).
  """
  low, high = (None if area is None else wilson(round(area * n), n)) or (None, None)
  return _row(key, measure, area, low=low, high=high, n=n, **fields)


def _reached(
  key: Key, measure: str, result: AttackResult, eps: float, **fields: Any
) -> TrainingRow:
  return _share(key, measure, result.success[result.attacked], result, eps, **fields)


def _share(
  key: Key, measure: str, hits: Any, result: AttackResult, eps: float, **fields: Any
) -> TrainingRow:
  """The share of attacked images [n] with Wilson's interval."""
  low, high = wilson(int(hits.sum()), len(hits)) or (None, None)
  return _row(
    key, measure, float(np.mean(hits)), low=low, high=high, n=len(hits), eps_256=eps,
    attack=result.attack, steps=result.steps, **fields,
  )  # fmt: skip
