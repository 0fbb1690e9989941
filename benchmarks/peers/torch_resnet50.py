"""ResNet-50 in PyTorch with keras.applications' graph, layer by layer.

The stride sits in the first 1x1 convolution of a block (torchvision has it in the 3x3 one), every
convolution has a bias, and BatchNorm's epsilon is 1.001e-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

Tensor = Any
_STAGES = {2: (3, 1), 3: (4, 2), 4: (6, 2), 5: (3, 2)}  # blocks, stride of the first


class _Unit(nn.Sequential):  # type: ignore[misc]
  """Convolution and BatchNorm of the Keras layers NAME_conv and NAME_bn."""

  def __init__(self, weights: Mapping[str, Any], name: str, stride: int, padding: int) -> None:
    kernel = np.ascontiguousarray(weights[f"{name}_conv/0"].transpose(3, 2, 0, 1))  # [o, i, h, w]
    convolution = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2], stride, padding)
    normalisation = nn.BatchNorm2d(kernel.shape[0], eps=1.001e-5)
    super().__init__(convolution, normalisation)
    values = (kernel, weights[f"{name}_conv/1"], *(weights[f"{name}_bn/{i}"] for i in range(4)))
    places = (
      convolution.weight,
      convolution.bias,
      normalisation.weight,
      normalisation.bias,
      normalisation.running_mean,
      normalisation.running_var,
    )
    with torch.no_grad():
      for place, value in zip(places, values, strict=True):
        place.copy_(torch.from_numpy(value))


class _Block(nn.Module):  # type: ignore[misc]
  def __init__(self, weights: Mapping[str, Any], name: str, stride: int) -> None:
    super().__init__()
    projected = f"{name}_0_conv/0" in weights
    self.shortcut = _Unit(weights, f"{name}_0", stride, 0) if projected else nn.Identity()
    self.first = _Unit(weights, f"{name}_1", stride, 0)
    self.second = _Unit(weights, f"{name}_2", 1, 1)
    self.third = _Unit(weights, f"{name}_3", 1, 0)

  def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    first = torch.relu(self.first(x))
    second = torch.relu(self.second(first))
    return first, second, torch.relu(self.third(second) + self.shortcut(x))


class ResNet50(nn.Module):  # type: ignore[misc]
  """The network in inference mode.

  Args:
    weights: "LAYER/INDEX" -> array, every layer's `get_weights()` under Keras's name.
  """

  def __init__(self, weights: Mapping[str, Any]) -> None:
    super().__init__()
    self.stem = _Unit(weights, "conv1", 2, 3)
    self.pool = nn.MaxPool2d(3, 2, 1)
    self.blocks = nn.ModuleList(
      _Block(weights, f"conv{stage}_block{number}", stride if number == 1 else 1)
      for stage, (count, stride) in _STAGES.items()
      for number in range(1, count + 1)
    )
    kernel = weights["logits/0"]
    self.head = nn.Linear(*kernel.shape)
    with torch.no_grad():
      self.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel.T)))
      self.head.bias.copy_(torch.from_numpy(weights["logits/1"]))
    self.eval()

  def taps(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits [B, K] of images [B, 3, H, W], and the activations of every block, 48 in all."""
    x, maps = self.pool(torch.relu(self.stem(images))), []
    for block in self.blocks:
      maps += block(x)
      x = maps[-1]
    return self.head(x.mean((2, 3))), maps

  def forward(self, images: Tensor) -> Tensor:
    """Logits [B, K] of images [B, 3, H, W]."""
    return self.taps(images)[0]
