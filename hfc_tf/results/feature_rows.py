"""One dataclass a kind of row on what attacks do to features; see `hfc_tf.results.rows`."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class DirectionRow:
  """One figure; `kind` says which of the fields it fills.

  "weights": mean cosine of an image's change dz with w_c - w_y, and the correlation over channels
  of the mean change with w_ic - w_iy (of the commonest pair of classes). "pair": mean cosine of
  the changes of one image under two attacks, with Student's interval over images. "gradient": as
  `measures.gradient_path` gives them. `domain` is "medical" or "natural"; Theorem II speaks of rows
  of more than two `classes`.
  """

  kind: str
  attack: str
  step: int
  other_attack: str | None = None
  other_step: int | None = None
  cosine: float | None = None
  cosine_low: float | None = None
  cosine_high: float | None = None
  correlation: float | None = None
  gradient_error: float | None = None
  same_sign: float | None = None
  same_sign_elsewhere: float | None = None
  n: int = 0
  domain: str = "medical"
  classes: int = 2


@dataclasses.dataclass(frozen=True)
class StressRow:
  """One layer pushed one way; means are over images, space and channels.

  `ratio` is |after - before| / before. `domain` is "medical" or "natural".
  """

  paper: str
  domain: str
  dataset: str
  source: str
  layer: str
  layer_number: int
  layers: int
  eps_256: float
  step_size_256: float
  steps: int
  direction: str
  mean_before: float
  mean_after: float
  difference: float
  ratio: float | None
  n_images: int


@dataclasses.dataclass(frozen=True)
class SeparabilityRow:
  """One group of images against clean images of the target class, see `measures.Separability`.

  `group` is "clean_original" (the other classes), "attack" or "hfc".
  """

  layer: str
  layer_number: int
  group: str
  attack: str
  hfc_weight: float
  eps_256: float
  steps: int
  target: int
  n_group: int
  n_clean: int
  neighbours: float | None
  silhouette: float | None
  distance: float | None


@dataclasses.dataclass(frozen=True)
class LesionRow:
  """One size and number of lesions; `false_rate` of the images changed their prediction.

  AUCs are of the others.
  """

  size: str
  count: int
  auc: float | None
  auc_low: float | None
  auc_high: float | None
  auc_within_class: float | None
  false_rate: float
  auc_paper: float | None
  false_rate_paper: float | None
  draws: int
  n_clean: int
  n_lesions: int
  layer: str
