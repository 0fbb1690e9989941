"""Colours of groups, as people with and without colour blindness see them."""

import itertools

import numpy as np
import pytest

from hfc_tf.results.figures import GROUPS

# Of linear RGB: Machado, Oliveira and Fernandes (2009), "A Physiologically-based Model for
# Simulation of Color Vision Deficiency", table 1, severity 1.
VISION = {
  "all colours": np.eye(3),
  "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
             [-0.003882, -0.048116, 1.051998]],
  "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
  "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
              [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]  # of sRGB


def lab(colour, vision):
  """CIE L*a*b* of an sRGB colour, "#rrggbb"."""
  stored = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
  linear = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
  xyz = XYZ @ np.clip(np.array(VISION[vision]) @ linear, 0, 1) / [0.9505, 1.0, 1.089]
  x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
  return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_groups_differ_for_everybody(vision):
  colours = {colour for colour, _, _ in GROUPS.values()}
  for pair in itertools.combinations(colours, 2):
    first, second = (lab(colour, vision) for colour in pair)
    assert np.linalg.norm(first - second) > 15, pair  # 2.3 can just be told apart


def test_groups_differ_without_colour_too():
  lines = {(style, marker) for name, (_, style, marker) in GROUPS.items() if style}
  assert len(lines) == len({GROUPS[name] for name in GROUPS if GROUPS[name][1]})
