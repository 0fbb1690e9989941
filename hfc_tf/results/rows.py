"""One dataclass a kind of row; rates and areas are fractions, None where nothing was scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class ClassArea:
  """AUC of the images predicted as one class; left out, and None, below 20 images on a side."""

  label: int
  auc: float | None
  n_adversarial: int
  n_clean: int
  left_out: bool


@dataclasses.dataclass(frozen=True)
class DetectionRow:
  """One detector against one attack.

  `population` says which adversarials were scored, against all clean AdvTest images: "successful",
  or "both_arms", whose image fooled the classifier without HFC and at each weight. `tpr_at_90_tnr`,
  `tnr_at_threshold` and `evasion_rate`, the share of attacked images that reach their target and
  stay below (None among "both_arms"), are at AdvTrain's threshold. The two-sided AUC within class
  is the mean over classes of max(A_c, 1 - A_c), without those `left_out`. Attacked images are files
  of that `grid` ("8 bits"); figures `_float` are of the images before they were stored.
  """

  attack: str
  hfc: bool
  hfc_weight: float
  weight_rule: str | None
  eps_256: float
  step_size_256: float
  steps: int
  detector: str
  population: str
  auc: float | None
  auc_low: float | None
  auc_high: float | None
  auc_within_class: float | None
  auc_within_class_low: float | None
  auc_within_class_high: float | None
  auc_two_sided: float | None
  auc_within_class_two_sided: float | None
  auc_within_class_two_sided_low: float | None
  auc_within_class_two_sided_high: float | None
  by_class: Sequence[ClassArea]
  tpr_at_90_tnr: float | None
  tpr_at_90_tnr_test_threshold: float | None
  tnr_at_threshold: float
  evasion_rate: float | None
  adv_acc: float
  adv_acc_low: float
  adv_acc_high: float
  adv_acc_8bit: float
  n_adversarial: int
  n_clean: int
  grid: str
  adv_acc_float: float
  auc_within_class_float: float | None
  auc_within_class_two_sided_float: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdaptiveRow(DetectionRow):
  """One detector against one method, a key of `labels.ADAPTIVE_METHODS`, and its term's weight."""

  method: str
  term_weight: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetRow(DetectionRow):
  """One detector against one attack at one budget, on one backbone."""

  model: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComponentsRow(DetectionRow):
  """One detector against the attack hidden with M components; None without HFC."""

  components: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class DefenderRow(DetectionRow):
  """`learnt_from` is "plain", an aim of HFC or "mixture"; `aim` that of the attack, if any."""

  learnt_from: str
  aim: str | None


@dataclasses.dataclass(frozen=True)
class WorstRow:
  """One detector against all attacks at once."""

  learnt_from: str
  detector: str
  auc_within_class: float | None
  tpr_at_90_tnr: float | None
  n_adversarial: int
  n_clean: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class DomainRow(DetectionRow):
  """One detector against one attack in one domain, "medical" or "natural"."""

  domain: str
  dataset: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubstituteRow(DetectionRow):
  """One detector and attack, made on `substitute` (None: the victim) of `start` (None: random)."""

  victim: str
  substitute: str | None
  start: str | None


@dataclasses.dataclass(frozen=True)
class LayerRow:
  """One detector on one layer, counted from 1 in the order of the network, against one attack."""

  attack: str
  hfc: bool
  hfc_weight: float
  weight_rule: str | None
  eps_256: float
  steps: int
  detector: str
  layer: int
  layer_name: str
  channels: int
  auc: float | None
  auc_within_class: float | None
  auc_within_class_low: float | None
  auc_within_class_high: float | None
  auc_within_class_two_sided: float | None
  auc_within_class_two_sided_low: float | None
  auc_within_class_two_sided_high: float | None
  by_class: Sequence[ClassArea]
  adv_acc: float
  n_adversarial: int
  n_clean: int


@dataclasses.dataclass(frozen=True)
class SanityRow:
  """How well a rule without any network tells attacked AdvTest images from the clean ones.

  `check` "channels differ" is the largest difference of two channels at one pixel: it sees colour
  on grey images. `auc` is None for images of one channel.
  """

  check: str
  attack: str
  hfc: bool
  hfc_weight: float
  weight_rule: str | None
  eps_256: float
  auc: float | None
  n_attacked: int
  n_clean: int


@dataclasses.dataclass(frozen=True)
class ClassifierRow:
  """One classifier on Test; the AUC of two classes with its 95 % interval over patients."""

  dataset: str
  source: str
  model: str
  image_size: int
  train: int
  test: int
  accuracy: float
  accuracy_paper: float | None
  balanced_accuracy: float
  lowest_recall: float
  auc: float | None
  auc_low: float | None
  auc_high: float | None
  auc_paper: float | None


@dataclasses.dataclass(frozen=True)
class SuccessRow:
  """How often an attack without HFC reaches its target: on "volumes", their "slices", "halved"
  ones, or a data set by its name.
  """

  form: str
  voxels: int
  eps_256: float
  adv_acc: float
  adv_acc_low: float
  adv_acc_high: float
  n: int
  accuracy: float
  model: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairRow:
  """Two attacks on the same images: the mean two-sided AUC of the detectors, first less second.

  `what` they differ in: "budget", "method", "components", "substitute"; see `hfc_tf.study.pairs`.
  """

  what: str
  first: str
  second: str
  difference: float
  low: float
  high: float
  detectors: int
  n_first: int
  n_second: int
  hfc: bool | None = None
  model: str | None = None
  first_eps_256: float | None = None
  second_eps_256: float | None = None
  substitute: str | None = None
  start: str | None = None
