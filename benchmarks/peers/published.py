"""The authors' published PyTorch loop, by what it computes, without HFC or with it.

Weights require gradients and get them, the graph is retained, and full precision factors of every
component are tried one after the other on the taps of at most 512 channels
(https://github.com/qsyao/Hierarchical_Feature_Constraint).
"""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.peers.torch_loop import TorchLoop

Tensor = Any
_WIDEST = 512  # wider taps are skipped


class Published(TorchLoop):
  """The published loop.

  Args:
    job: "hfc" adds the constraint, with "components" components of arbitrary parameters: what a
      step costs does not depend on them.
  """

  def __init__(self, job: dict[str, Any]) -> None:
    super().__init__(job)
    self.network.requires_grad_(True)
    self._mixtures: list[tuple[Tensor, Tensor, Tensor] | None] = []
    if not job["hfc"]:
      return
    torch.manual_seed(0)
    count = int(job["components"])
    with torch.no_grad():
      maps = self.network.taps(self.x[:1])[1]
    for width in (activation.shape[1] for activation in maps):
      if width > _WIDEST:
        self._mixtures.append(None)
        continue
      factors = 0.01 * torch.randn(count, width, width).triu(1) + torch.eye(width)  # [M, C, C]
      means, shares = torch.randn(count, width), torch.full((count,), 1 / count)
      self._mixtures.append(
        (means.to(self.device), factors.to(self.device), shares.log().to(self.device))
      )

  def loss(self, x: Tensor) -> Tensor:
    """Mean cross-entropy, and the constraint of every tap that is not skipped."""
    logits, maps = self.network.taps(x)
    total = torch.nn.functional.cross_entropy(logits, self.y)
    for activation, mixture in zip(maps, self._mixtures, strict=bool(self._mixtures)):
      if mixture is not None:
        total = total + _constraint(activation.flatten(2).mean(2), *mixture)
    return total

  def gradient(self, x: Tensor) -> Tensor:
    """Back through the whole network, weights included."""
    self.loss(x).backward(retain_graph=True)
    return x.grad


def _constraint(features: Tensor, means: Tensor, factors: Tensor, log_weights: Tensor) -> Tensor:
  """Mean over channels and batch of |L^T (f - mu)|^2 of the likeliest component."""
  with torch.no_grad():
    scores = torch.zeros(len(features), len(means), device=features.device)  # [B, M]
    for number in range(len(means)):
      offset = features - means[number]  # [B, C]
      # The published code takes this product twice.
      form = (offset @ factors[number]) * (offset @ factors[number])
      scores[:, number] = factors[number].diag().log().sum() - 0.5 * form.sum(1)
    chosen = (scores + log_weights).argmax(1)  # [B]
  offsets = (features - means[chosen]).unsqueeze(1)  # [B, 1, C]
  return torch.bmm(offsets, factors[chosen]).square().mean()


def start(job: dict[str, Any]) -> Published:
  """The loop of a job."""
  return Published(job)
