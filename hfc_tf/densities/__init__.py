"""Densities of normal features."""

from hfc_tf.densities.gaussian import ShrunkGaussian as ShrunkGaussian
from hfc_tf.densities.hierarchical import HierarchicalDensity as HierarchicalDensity
from hfc_tf.densities.mixture import GaussianMixture as GaussianMixture
