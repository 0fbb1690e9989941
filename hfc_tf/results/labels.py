"""Names and numbers as a reader meets them."""

import pathlib


class _Labels(dict[str, str]):
  """By key; one with options has those of its name: "tim(kernel=7)" -> "TIM(kernel=7)"."""

  def __missing__(self, key: str) -> str:
    name, *options = key.partition("(")
    return self.get(name, name.upper()) + "".join(options)


_ATTACKS = _Labels({"deepfool": "DeepFool", "cw_l2": "CW (L2)"})
_DETECTORS = _Labels({"knn": "kNN", "squeezing": "Squeezing", "hfc_score": "HFC score"})
_GROUPS = {
  "clean": "clean",
  "clean_original": "clean, original class",
  "clean_target": "clean, target class",
}
_DATASETS = {
  "chest": "chest X-rays",
  "fundus": "fundus images",
  "fundus_grades": "fundus images, five grades",
  "cifar10": "CIFAR-10",
}
_MODELS = {
  "resnet50": "ResNet-50",
  "vgg16": "VGG-16",
  "resnet18_3d": "ResNet-18 (3D)",
  "resnet18": "ResNet-18",
  "small_resnet": "small ResNet",
}
ADAPTIVE_METHODS = _Labels({
  "none": "no term",
  "guide_random": "Random guide",
  "guide_closest": "Closest guide",
  "kde": "KDE",
  "lid": "LID",
  "hfc": "HFC",
  "hfc_typical": "HFC, typical aim",
  "selective": "Selective PGD",
  "orthogonal": "Orthogonal PGD",
})
KNOWING = ("selective", "orthogonal")  # attacks that know the detector


def attack_label(key: str) -> str:
  """ "bim" -> "BIM"."""
  return _ATTACKS[key]


def dataset_label(key: str) -> str:
  """ "chest" -> "chest X-rays"."""
  return _DATASETS.get(key, key)


def detector_label(key: str) -> str:
  """ "maha" -> "MAHA"."""
  return _DETECTORS[key]


def model_label(key: str) -> str:
  """ "vgg16" -> "VGG-16", "there/mine.keras" -> "mine.keras"."""
  return _MODELS.get(key, pathlib.PurePath(key).name)


def start_label(start: str | None) -> str:
  """Where a training started: "ImageNet", the name of a file, or "random weights"."""
  return "ImageNet" if start == "imagenet" else pathlib.Path(start or "random weights").name


def group_label(attack: str, group: str) -> str:
  """A group of images in words: clean, the attack, or the attack with HFC, by its weight's rule."""
  if group in _GROUPS:
    return _GROUPS[group]
  rule = {"attack": "", "hfc": " with HFC"}
  return attack_label(attack) + rule.get(group, f" with HFC ({group})")


def hfc_label(rule: str | None) -> str:
  """By the rule of its weight: "without HFC", "with HFC (auto)"."""
  return "without HFC" if rule is None else f"with HFC ({rule})"


def number(value: float, digits: int) -> str:
  """A number without trailing zeros: 1.50 -> "1.5", 4.0 -> "4"."""
  text = f"{value:.{digits}f}"
  return text.rstrip("0").rstrip(".") if "." in text else text


def fraction(value: float | None) -> str:
  """A small number as it is: 0.3, 1."""
  return "–" if value is None else f"{value:.3g}"


def decimal(value: float | None) -> str:
  """Two digits: 0.25."""
  return "–" if value is None else f"{value:.2f}"


def percent(value: float | None, digits: int = 1) -> str:
  """A fraction in percent, as a cell: "97.0"."""
  return "–" if value is None else f"{100 * value:.{digits}f}"


def share(value: float | None, digits: int = 1) -> str:
  """A fraction in percent, as in a sentence: "97.0 %"."""
  return "–" if value is None else f"{100 * value:.{digits}f}\u202f%"


def budget(eps_256: float | None) -> str:
  """ "ε = 4/256"."""
  return f"ε = {number(float(eps_256 or 0), 3)}/256"
