"""Densities of normal features."""

from hfc_tf.densities.gaussian import ShrunkGaussian
from hfc_tf.densities.hierarchical import HierarchicalDensity
from hfc_tf.densities.mixture import GaussianMixture

__all__ = ["GaussianMixture", "HierarchicalDensity", "ShrunkGaussian"]
