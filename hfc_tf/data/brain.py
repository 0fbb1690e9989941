"""Built-in phantom of head CT with a haemorrhage, whose place tells its cause.

A stand-in for the private brain CT of TMI, section V.A, with its four causes. An aneurysm bleeds
into the cisterns, an arteriovenous malformation into a lobe, moyamoya into the ventricles,
hypertension into the basal ganglia. The amount and the brightness of blood are drawn alike for
all of them, so that nothing but its place and shape tells them apart.
"""

from __future__ import annotations

import numpy as np

from hfc_tf.data.dataset import Dataset
from hfc_tf.data.drawing import Array, Rng, cloud, gauss, phantom, quantised, step

CAUSES = ("aneurysm", "arteriovenous malformation", "moyamoya", "hypertension")
# In the brain window, 0 to 80 Hounsfield units.
_WHITE, _GREY, _SCALP = 0.36, 0.45, 0.3


def brain(num_images: int = 1200, image_size: int = 48, seed: int = 0) -> Dataset:
  """Drawn head CT by cause of the haemorrhage, [N, image_size // 3, image_size, image_size, 1].

  Slices go from the base to the vertex, rows from front to back.
  """
  return phantom("brain", _head, CAUSES, num_images, image_size, seed)


def brain_binary(num_images: int = 1200, image_size: int = 48, seed: int = 0) -> Dataset:
  """The same with two causes, arteriovenous malformation (lobar) and hypertension (deep)."""

  def draw(seed: int, index: int, size: int, label: int) -> Array:
    return _head(seed, index, size, (1, 3)[label])

  return phantom("brain_binary", draw, (CAUSES[1], CAUSES[3]), num_images, image_size, seed)


def _head(seed: int, index: int, size: int, cause: int | None) -> Array:
  """One head, uint16 [size // 3, size, size, 1]. `cause=None`: the twin without blood."""
  rng = np.random.default_rng((seed, index, 0))
  depth = size // 3
  lines = [(np.arange(n, dtype=np.float32) + 0.5) / n for n in (depth, size, size)]
  z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)

  # The head's own frame: u to the patient's left, v to the back, w upwards; 1 is the skin.
  turn, lean = rng.normal(0, 0.1), rng.normal(0, 0.08)
  across, along = x - rng.normal(0.5, 0.02), y - rng.normal(0.5, 0.02)
  u = (across * np.cos(turn) + along * np.sin(turn)) / rng.uniform(0.35, 0.41)  # [1, H, W]
  v = (along * np.cos(turn) - across * np.sin(turn)) / rng.uniform(0.42, 0.47)
  w = 1.3 * (z - rng.uniform(0.32, 0.38)) + lean * v + 0.5 * lean * u  # [D, H, W]
  u = u + rng.normal(0, 0.03) * np.cos(3 * v)  # no head is symmetric
  side, out = np.abs(u), np.sqrt(u * u + v * v + w * w)

  inside = step(0.87 - out, 0.012)
  bone = step(0.97 - out, 0.012) * (1 - inside)
  base = gauss((w + 0.5) / 0.1) * gauss((side - 0.45 - 0.3 * np.abs(v)) / 0.1)  # petrous, orbits

  # Spaces of fluid: ventricles, cisterns at the base, the Sylvian fissures, furrows of the cortex.
  wide = rng.uniform(0.04, 0.12)
  lateral = np.sqrt(
    ((side - 0.1 - rng.uniform(0.3, 0.45) * v * v) / wide) ** 2
    + ((w - rng.uniform(0.08, 0.16)) / (2 * wide)) ** 2
    + (v / rng.uniform(0.42, 0.52)) ** 2
  )
  third = np.sqrt((side / 0.04) ** 2 + (v / 0.16) ** 2 + ((w + 0.1) / 0.14) ** 2)
  ventricles = np.maximum(step(1 - lateral, 0.12), step(1 - third, 0.12))
  ray = np.hypot(u, v + 0.08) * (1 - 0.3 * np.cos(5 * np.arctan2(u, v + 0.08)))
  cisterns = gauss(ray / 0.2) * gauss((w + rng.uniform(0.26, 0.34)) / 0.09)
  fissure = gauss((v + rng.uniform(0.08, 0.2) - 0.4 * w) / 0.06) * gauss((w + 0.15) / 0.14)
  fissure = fissure * step(side - 0.38, 0.03)
  middle = gauss(u / 0.035) * step(-v - 0.45, 0.04)
  cortex = step(out - 0.66, 0.03)
  furrows = cortex * gauss(cloud(rng, size, 14, depth) / 0.3) * rng.uniform(0.1, 0.9)
  spaces = np.maximum(np.maximum(cisterns, fissure), middle)
  fluid = np.maximum(np.maximum(ventricles, 0.8 * spaces), furrows)

  matter = _WHITE + (_GREY - _WHITE) * cortex
  nuclei = gauss(np.sqrt((side - 0.25) ** 2 + (v + 0.02) ** 2 + (w - 0.02) ** 2) / 0.14)
  matter = matter + (_GREY - _WHITE) * nuclei * (1 - cortex)
  matter = matter + 0.02 * cloud(rng, size, 8, depth)
  u0, v0, w0 = rng.uniform(-0.6, 0.6, 3).tolist()
  old = np.sqrt((u - u0) ** 2 + (v - v0) ** 2 + (w - w0) ** 2)
  matter = matter - rng.uniform(0, 0.12) * gauss(old / rng.uniform(0.08, 0.16))  # an old infarct
  # Scanners differ, so that no count of grey values tells where they lie.
  matter = matter + rng.normal(0, 0.05)
  tissue = matter + (rng.uniform(0.0, 0.28) - matter) * fluid  # [D, H, W]

  # Calcifications that every head may have: the pineal gland, the choroid plexus on both sides.
  pineal = gauss(np.sqrt(side**2 + (v - 0.22) ** 2 + (w - 0.02) ** 2) / 0.06)
  plexus = gauss(np.sqrt((side - 0.22) ** 2 + (v - 0.3) ** 2 + (w - 0.12) ** 2) / 0.07)
  chalk = rng.uniform(0, 0.4, 2)
  tissue = tissue + chalk[0] * pineal + chalk[1] * plexus

  if cause is not None:
    blood = np.random.default_rng((seed, index, 1))
    tissue = tissue + _blood(blood, cause, (u, v, w), spaces, np.minimum(lateral, third), inside)
  head = np.where(out < 1.1, _SCALP * step(1.03 - out, 0.012), 0) * (1 - bone - inside)
  head = head + inside * tissue + bone + 0.6 * base * step(1 - out, 0.02)
  grain = rng.uniform(0.02, 0.045) * cloud(rng, size, 40, depth)
  return quantised((head * (1 + grain) + 0.3 * grain)[..., None])


def _blood(
  rng: Rng, cause: int, frame: tuple[Array, ...], spaces: Array, ventricles: Array, inside: Array
) -> Array:
  """What blood adds to the tissue, [D, H, W]: it fills the best places of its cause first."""
  u, v, w = frame
  depth, size = inside.shape[:2]
  contrast = 0.5 * rng.uniform() ** 0.5  # mostly plain, with a tail that is hardly visible
  amount = rng.uniform(0.01, 0.03)  # of the volume
  left = 2 * round(rng.uniform()) - 1
  a, b, c = rng.uniform(-1, 1, 3).tolist()
  ragged = cloud(rng, size, 8, depth)

  def near(u0: float, v0: float, w0: float) -> Array:
    return np.sqrt((u - u0) ** 2 + (v - v0) ** 2 + (w - w0) ** 2)

  if cause == 0:  # around the vessels of the base, more on the side of the rupture
    place = spaces - 0.5 * near(left * 0.25 * abs(a), -0.2 + 0.15 * b, -0.28) + 0.1 * ragged
  elif cause == 1:  # in a lobe, ragged
    angle = np.pi * a
    place = 0.12 * ragged - near(0.55 * np.cos(angle), 0.6 * np.sin(angle), 0.22 + 0.15 * b)
  elif cause == 2:  # in the ventricles and around them, more at the back, where it sinks
    place = 0.06 * ragged - ventricles + 0.5 * v + 0.3 * left * u
  else:  # deep and smooth, longer than wide
    u0, v0, w0 = left * (0.28 + 0.06 * a), 0.02 + 0.12 * b, 0.02 + 0.1 * c
    place = 0.03 * ragged - np.sqrt(((u - u0) / 0.8) ** 2 + ((v - v0) / 1.3) ** 2 + (w - w0) ** 2)
  place = np.where(inside > 0.5, place, place.min())
  level = np.quantile(place, 1 - amount)
  return np.asarray(contrast * inside * step(place - level, 0.02))
