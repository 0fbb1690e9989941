"""PyTorch: a loop with frozen weights, eager or through torch.compile."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.peers.base import Array, Loop
from benchmarks.peers.torch_resnet50 import ResNet50

Tensor = Any


class TorchLoop(Loop):
  """The usual loop in PyTorch: only the image wants a gradient.

  Args:
    job: "weights" is an npz file of Keras's weights; "compile" hands the network to torch.compile.
  """

  def __init__(self, job: dict[str, Any]) -> None:
    super().__init__(job)
    self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with np.load(job["weights"], allow_pickle=False) as weights:
      self.network = ResNet50(dict(weights)).to(self.device)
    self.network.requires_grad_(False)
    self._model = torch.compile(self.network) if job.get("compile") else self.network
    images = np.ascontiguousarray(self.images.transpose(0, 3, 1, 2))  # [B, C, H, W]
    self.x = torch.from_numpy(images).to(self.device)
    self.y = torch.from_numpy(self.targets.astype(np.int64)).to(self.device)

  def logits(self) -> Array:
    """Of the clean images, [B, K]."""
    with torch.no_grad():
      return np.asarray(self.network(self.x).cpu())

  def loss(self, x: Tensor) -> Tensor:
    """What is minimised, a scalar."""
    return torch.nn.functional.cross_entropy(self._model(x), self.y, reduction="sum")

  def gradient(self, x: Tensor) -> Tensor:
    """With respect to the images alone."""
    return torch.autograd.grad(self.loss(x), x)[0]

  def attack(self, steps: int) -> Array:
    """The images after so many steps, [B, H, W, C]."""
    x = self.x
    for _ in range(steps):
      x = x.detach().requires_grad_()
      moved = x.detach() - self.step_size * self.gradient(x).sign()
      x = torch.clamp(self.x + torch.clamp(moved - self.x, -self.eps, self.eps), 0, 1)
    return np.asarray(x.cpu()).transpose(0, 2, 3, 1)


def start(job: dict[str, Any]) -> TorchLoop:
  """The loop of a job."""
  return TorchLoop(job)
