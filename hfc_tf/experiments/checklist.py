"""Is the evaluation sound? The questions of Carlini et al. (2019), answered by attacks.

Beyond the papers: random noise of the attack's size, one step against many, a budget at which all
images fall, more steps and restarts, an attack without gradients on the same objective, an
untargeted one, and for each detector the attack that knows it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import logsumexp

from hfc_tf.attacks import PGD, Attack, Square
from hfc_tf.attacks.objectives import CrossEntropy
from hfc_tf.evaluation.metrics import paired_difference
from hfc_tf.evaluation.protocol import AttackResult
from hfc_tf.experiments import adaptive, check
from hfc_tf.experiments.checklist_rows import Record, share
from hfc_tf.experiments.common import hfc_study, study_result, threat_model
from hfc_tf.results import checklist
from hfc_tf.results.checklist import Answer, ChecklistRow, answer, change_text
from hfc_tf.results.claims_base import Interval, difference, interval
from hfc_tf.results.labels import attack_label, detector_label, number
from hfc_tf.results.result import Result
from hfc_tf.study import attacks, comparison, hfc_weight, pairs
from hfc_tf.study.config import Config
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]
_MOST = 64.0  # the largest budget, in 1/256
_NOTES = (
  "HFC in one form, balanced where that is among --hfc_weight. The attack without gradients asks "
  "for the same objective, cross-entropy alone and with HFC at weight 1, and is held against the "
  "first attack with the same terms. An attack with HFC needs a class to reach, so that the "
  "untargeted one is without.",
)


def run(config: Config, queries: int = 1000, restarts: int = 5) -> Result:
  """Answers the list.

  Args:
    config: its first attack, of several steps and within a budget, without HFC and in one form.
    queries: of the attack without gradients, for each image.
    restarts: runs of the attack that is restarted.

  Returns:
    The result, whose summary holds "checklist", an `Answer` a question.

  Raises:
    InputError: for an attack of one step, or without a budget.
  """
  check("checklist", config)
  study, name = hfc_study(config)
  compared = comparison.compare(study, name)
  form = pairs.form_of_hfc(compared)
  plain = study.attack(name)
  made = {"attack": plain}
  if form is not None:
    made[form] = hfc_weight.hfc_attacks(study, name)[form]
  maker = _Maker(study, compared)
  answers = [
    maker.noise(plain), maker.one_step(name), maker.budget(name, plain),
    maker.harder(name, made, "steps", 4 * plain.steps, "More steps change nothing."),
    maker.harder(name, made, "restarts", restarts, "Restarts change nothing."),
    maker.without_gradients(name, plain, queries), maker.untargeted(), maker.aware(),
  ]  # fmt: skip
  lead = [f"{sum(each.verdict == 'holds' for each in answers)} of {len(answers)} answers hold; "
          f"undecided: {sum(each.verdict == 'undecided' for each in answers)}."]  # fmt: skip
  return study_result(
    "checklist", study, maker.rows, {"checklist": answers},
    title=f"What an evaluation must show, {attack_label(name)}", lead=lead,
    tables=[checklist.answers_table(answers), threat_model(study),
            *checklist.rows_tables(maker.rows)],
    notes=_NOTES,
  )  # fmt: skip


class _Maker(Record):
  """Makes the attacks of each question."""

  def noise(self, attack: Attack) -> Answer:
    """Random signs of the attack's size: neither the classifier nor detectors take them for one."""
    study, clean = self.study, self.study.clean["adv_test"]
    images = comparison.noisy_images(study, "adv_test", float(attack.eps or 0))
    taps = study.taps_of(images, "adv_test")[0]
    flips = taps.predictions != clean.predictions
    made = self.add("noise", "noise", images, taps, flips, np.ones(len(flips), bool), False)
    plain = self.compared.results["attack"]
    moved = Interval(made[0].adv_acc, made[0].adv_acc_low, made[0].adv_acc_high, len(flips))
    holds = [moved.less(share(plain.success[plain.attacked]))]
    numbers = [f"noise changes {moved}"]
    for row in made:
      normal = self.compared.scores[str(row.detector)]["clean"]
      threshold = self.compared.thresholds[str(row.detector)]
      noisy = self.scores(str(row.detector), images, taps) > threshold
      change = Interval(*paired_difference(noisy, normal > threshold), len(noisy))
      holds.append(change.below(checklist.MARGIN))
      numbers.append(change_text(f"{detector_label(str(row.detector))} flags more", change))
    question = "Noise of the same size moves fewer images and is no alarm."
    return answer("noise", question, holds, numbers)

  def one_step(self, name: str) -> Answer:
    """FGSM against the attack of many steps."""
    single = comparison.evaluate(self.study, "fgsm", self.study.attack("fgsm"))
    self.add_result("one step", single)
    change = self._gain(self.compared.results["attack"], single)
    text = change_text(f"{attack_label(name)} less FGSM", change)
    question = "Many steps do no worse than one."
    return answer("one step", question, [checklist.no_less(change)], [text])

  def budget(self, name: str, attack: Attack) -> Answer:
    """Doubles the budget until every image falls."""
    study, eps, result = self.study, float(self.study.config.eps_256 or 0), None
    while result is None or (not result.success[result.attacked].all() and 2 * eps <= _MOST):
      eps = eps if result is None else 2 * eps
      result = comparison.evaluate(study, name, study.attack(name, eps=eps / 256))
      self.add_result("budget", result)
    reached = share(result.success[result.attacked])
    question = "At some budget every image falls."
    holds = None if reached.n < 20 else reached.value == 1
    return answer("budget", question, [holds], [f"{reached} at {number(eps, 3)}/256"])

  def harder(
    self, name: str, made: Mapping[str, Attack], field: str, value: int, question: str
  ) -> Answer:
    """The attacks with another number of steps or restarts."""
    holds, numbers = list[bool | None](), []
    for label, attack in made.items():
      if field == "restarts" and not hasattr(attack, field):
        continue
      more = copy.copy(attack)  # shares the compiled loop
      setattr(more, field, value)
      rule = None if label == "attack" else label
      result = comparison.evaluate(self.study, name, more, rule)
      self.add_result(field, result, restarts=value if field == "restarts" else 1)
      before = self.compared.results[label]
      scored = comparison.score(self.study, dict(self.compared.detectors), {label: result})
      changes = {"success": self._gain(result, before)}
      for row in pairs.pair(field, (scored, label), (self.compared, label)):
        changes["mean AUC"] = difference(dataclasses.asdict(row))
      holds += checklist.same(changes.values())
      who = "HFC" if rule else attack_label(name)
      numbers += [change_text(f"{who}, {value} {field}, {what}", each)
                  for what, each in changes.items()]  # fmt: skip
    return answer(field, question, holds, numbers)

  def without_gradients(self, name: str, plain: Attack, queries: int) -> Answer:
    """Square on the cross-entropy and on the joint objective."""
    study, size = self.study, {"eps": plain.eps, "steps": queries}
    given = {k: v for k, v in attacks.settings(study.config, study.levels).items()
             if k not in ("step_size", *size)} | size  # fmt: skip
    targets = study.targets["adv_test"]
    joint = study.attack(name, study.hfc)
    holds, numbers = list[bool | None](), []
    for rule, objective, followed in (
      (None, CrossEntropy(), plain), ("paper", CrossEntropy() + study.hfc, joint),
    ):  # fmt: skip
      searched = comparison.evaluate(
        study, "square", Square(study.attacked_model, objective, **given), rule
      )
      self.add_result("without gradients", searched)
      result = comparison.evaluate(study, name, followed, rule)
      gain, some = self._gain(result, searched), result.attacked
      lower = self._loss(result.taps, targets, rule) <= self._loss(searched.taps, targets, rule)
      better = share(lower[some])
      holds += [checklist.no_less(gain)] + ([better.above(0.5)] if rule else [])
      who = "with HFC" if rule else "without HFC"
      numbers += [change_text(f"{who}, {attack_label(name)} less Square", gain),
                  f"the objective is lower by gradients on {better}"]  # fmt: skip
    question = "An attack without gradients does no better, so they are not masked."
    return answer("without gradients", question, holds, numbers)

  def untargeted(self) -> Answer:
    """PGD that only leaves the class: it succeeds at least as often."""
    study = self.study
    attack = PGD(study.attacked_model, targeted=False,
                 **attacks.settings(study.config, study.levels))  # fmt: skip
    rows, clean = study.rows_of["adv_test"], study.clean["adv_test"]
    grey = study.images("adv_test")
    images = study.stored(attack(grey, clean.labels, ids=rows), "adv_test", attack.eps)
    taps = study.taps_of(images, "adv_test")[0]
    left = taps.predictions != clean.labels
    some = np.ones(len(left), bool)
    self.add("untargeted", "pgd", images, taps, left, some, False, attack.steps)
    plain = self.compared.results["attack"]
    aimed = plain.attacked
    change = Interval(*paired_difference(left[aimed], plain.success[aimed]), int(aimed.sum()))
    text = [f"leaves its class on {share(left)}", change_text("less the targeted one", change)]
    question = "Leaving the class is no harder than reaching another."
    return answer("untargeted", question, [checklist.no_less(change)], text)

  def aware(self) -> Answer:
    """Orthogonal PGD against each detector: none sees the attack that knows it."""
    holds, numbers = list[bool | None](), []
    for row in adaptive.against_detectors(self.study, "orthogonal", self.compared.detectors):
      names = [field.name for field in dataclasses.fields(ChecklistRow)]
      fields: dict[str, Any] = {name: getattr(row, name, None) for name in names}
      fields |= {"item": "knows the detector", "restarts": 1, "targeted": True,
                 "n_attacked": int(self.compared.results["attack"].attacked.sum())}  # fmt: skip
      self.rows.append(ChecklistRow(**fields))
      area = interval(dataclasses.asdict(row))
      seen = None if area is None else area.low > 0.5
      holds.append(None if seen is None else not seen)
      numbers.append(f"{detector_label(row.detector)} {area or 'of too few images'}")
    question = "No detector sees, on either side, the attack that knows it."
    return answer("knows the detector", question, holds, numbers)

  def _gain(self, first: AttackResult, second: AttackResult) -> Interval:
    """Success of the first less that of the second."""
    some = first.attacked
    return Interval(*paired_difference(first.success[some], second.success[some]), int(some.sum()))

  def _loss(self, taps: Taps, targets: Array, rule: str | None) -> Array:
    """The objective of each image, [N]."""
    reached = taps.logits[np.arange(len(targets)), targets]
    loss = logsumexp(taps.logits, axis=1) - reached
    if rule is None:
      return np.asarray(loss)
    widths = self.study.victim.model.widths
    energies = self.study.hfc.energies(taps, targets)
    return np.asarray(loss + sum(each / (2 * widths[n]) for n, each in energies.items()))
