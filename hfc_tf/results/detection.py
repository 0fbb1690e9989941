"""Rows on detectors: one a detector and attack."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class DetectionRow:
  """One detector against one attack; rates and areas are fractions, None where nothing was scored.

  `population` says which adversarials were scored, always against all clean AdvTest images:
  "successful" are all that fooled the classifier in this arm; "both_arms" those whose image fooled
  it in every arm of this attack (without HFC, and with it at each weight). `tpr_at_90_tnr` and
  `tnr_at_threshold` are at the threshold learnt on AdvTrain.
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
  tpr_at_90_tnr: float | None
  tpr_at_90_tnr_test_threshold: float | None
  tnr_at_threshold: float
  adv_acc: float
  adv_acc_low: float
  adv_acc_high: float
  adv_acc_8bit: float
  n_adversarial: int
  n_clean: int


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
  """One detector against one attack; `learnt_from` is "plain", an aim of HFC or "mixture".

  `aim` is that of the attack, None without HFC.
  """

  learnt_from: str
  aim: str | None


@dataclasses.dataclass(frozen=True)
class WorstRow:
  """One detector against all attacks at once; areas are fractions."""

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
  """One detector of the victim against one attack; `substitute` is None where no other was used."""

  victim: str
  substitute: str | None


@dataclasses.dataclass(frozen=True)
class LayerRow:
  """One detector on one layer against one attack; areas are fractions, None where none was scored.

  `layer` is counted from 1 in the order of the network.
  """

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
  auc_within_class_two_sided: float | None
  adv_acc: float
  n_adversarial: int
  n_clean: int
