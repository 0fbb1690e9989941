"""Who runs: this library's own loop, its rivals, and the machine itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Contender:
  """What is measured.

  Attributes:
    module: in this package; its `start(job)` returns an object with `run(steps)`.
    needs: which files of the subject it reads; their paths are part of its job.
    package: whose environment it runs in (--peer_python); None: this interpreter.
    settings: the rest of its job.
    plain: whether it takes the same steps as "own", which is checked.
  """

  module: str
  needs: tuple[str, ...] = ("network", "inputs")
  package: str | None = None
  settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  plain: bool = False


_TORCH = ("weights", "inputs")
CONTENDERS = {
  "own": Contender("own", plain=True),
  "own_bf16": Contender("own", settings={"precision": "bfloat16"}),
  "own_hfc": Contender("own", ("network", "inputs", "density")),
  "torch_eager": Contender("torch_loop", _TORCH, "torch", {"compile": False}, plain=True),
  "torch_compile": Contender("torch_loop", _TORCH, "torch", {"compile": True}, plain=True),
  "published": Contender("published", _TORCH, "torch", {"hfc": False}, plain=True),
  "published_hfc": Contender("published", _TORCH, "torch", {"hfc": True}),
  "art": Contender("art", package="art", plain=True),
  "foolbox": Contender("foolbox", package="foolbox", plain=True),
  "cleverhans": Contender("cleverhans", package="cleverhans", plain=True),
  "rates": Contender("rates", ("network",)),
  "scaling": Contender("scaling", ()),
  **{
    f"density_{covariance}": Contender(
      "em", ("class_features",), settings={"covariance": covariance}
    )
    for covariance in ("low_rank", "diag", "full")
  },
}

PACKAGES = tuple(dict.fromkeys(one.package for one in CONTENDERS.values() if one.package))
