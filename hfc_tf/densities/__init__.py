"""Densities of normal features."""

from typing import TYPE_CHECKING

from hfc_tf.lazy import exports

if TYPE_CHECKING:
  from hfc_tf.densities.gaussian import ShrunkGaussian
  from hfc_tf.densities.hierarchical import HierarchicalDensity
  from hfc_tf.densities.mixture import GaussianMixture
else:
  __getattr__, __dir__ = exports(
    __name__,
    {
      "GaussianMixture": "mixture",
      "HierarchicalDensity": "hierarchical",
      "ShrunkGaussian": "gaussian",
    },
  )

__all__ = ["GaussianMixture", "HierarchicalDensity", "ShrunkGaussian"]
