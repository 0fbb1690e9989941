"""Built-in phantoms: drawn chest X-rays, fundus photographs, head CT, where no data are at hand.

Anatomy is given in fractions of the image side and every random draw has a fixed shape, so that
one key (seed, index) gives the same picture at any size. Odd images are ill: their lesions come
from a stream of their own, so that each has a healthy twin. Contrasts reach down to what nobody
can see, which keeps the accuracy of a good classifier below one.
"""

from __future__ import annotations

import numpy as np

from hfc_tf.data.brain import brain, brain_binary
from hfc_tf.data.dataset import Dataset
from hfc_tf.data.drawing import (
  Array,
  bands,
  branches,
  cloud,
  coordinates,
  gauss,
  ink,
  phantom,
  quantised,
  rgb,
  spots,
  step,
)

__all__ = ["brain", "brain_binary", "chest", "fundus"]


def chest(num_images: int = 1200, image_size: int = 64, seed: int = 0) -> Dataset:
  """Drawn chest X-rays, [N, image_size, image_size, 1]: normal, or with opacities in the lungs."""
  return phantom("chest", _chest, ("normal", "pneumonia"), num_images, image_size, seed)


def fundus(num_images: int = 1200, image_size: int = 64, seed: int = 0) -> Dataset:
  """Drawn fundus photographs, [N, image_size, image_size, 3]: healthy, or with diabetic lesions."""
  return phantom("fundus", _fundus, ("no DR", "DR"), num_images, image_size, seed)


def _chest(seed: int, index: int, size: int, ill: int) -> Array:
  """One chest X-ray, uint16 [size, size, 1]; bright is dense. `ill=0`: the lesion-free twin."""
  rng = np.random.default_rng((seed, index, 0))
  x, y = coordinates(size)

  # The body's own frame: u to the right of the spine, v downwards, both in fractions of the side.
  tilt, scale = rng.normal(0, 0.04), rng.uniform(0.9, 1.08)
  x0, y0 = rng.normal(0.5, 0.02, 2).tolist()
  u = ((x - x0) + (y - y0) * tilt) / scale  # [H, W]
  v = 0.5 + ((y - y0) - (x - x0) * tilt) / scale
  u = u + rng.normal(0, 0.02) * np.sin(3 * v)  # the spine bends
  right = step(-u, 0.01)  # the patient's right is on the viewer's left
  side = np.abs(u)

  # Body: neck, sloping shoulders, flanks, arms that hang down.
  neck = step(0.09 - side, 0.015)
  shoulder = rng.uniform(0.03, 0.1) + rng.uniform(0.2, 0.45) * np.maximum(side - 0.1, 0)
  waist = rng.uniform(0.41, 0.48) + 0.5 * step(rng.uniform(0.22, 0.34) - v, 0.06)
  limb = step(side - rng.uniform(0.46, 0.52) - 0.08 * v, 0.008)
  body = np.maximum(step(v - shoulder, 0.012) * np.maximum(step(waist - side, 0.012), limb), neck)
  flesh = 0.5 + 0.1 * step(v - 0.75, 0.1) - 0.5 * np.maximum(side - 0.33, 0)

  # Lungs: from the apex down to the domes of the diaphragm, the right one higher than the left.
  top, wide = rng.uniform(0.1, 0.17), rng.uniform(0.3, 0.37)
  depth = np.clip((v - top) / rng.uniform(0.45, 0.6), 0.0, 1.0)
  outer = wide * (0.25 + 0.75 * depth ** rng.uniform(0.45, 0.65))
  base = rng.uniform(0.74, 0.84) - 0.03 * right
  dome = base - rng.uniform(0.05, 0.09) * (1 - ((side - 0.55 * wide) / (0.5 * wide)) ** 2)
  inner = rng.uniform(0.05, 0.075) + 0.02 * np.sin(4 * v)
  lung = step(v - top, 0.012) * step(side - inner, 0.012) * step(outer - side, 0.01)
  cage = step(v - top, 0.03) * step(outer + 0.025 - side, 0.01) * step(base + 0.05 - v, 0.05)
  lung = lung * step(np.minimum(dome, base + 0.04) - v, 0.01)
  heart_u, heart_v = rng.uniform(0.03, 0.07), rng.uniform(0.6, 0.66)
  long, short, lean = rng.uniform(0.15, 0.2), rng.uniform(0.1, 0.14), rng.uniform(0.4, 0.8)
  across = (u - heart_u) * np.cos(lean) + (v - heart_v) * np.sin(lean)
  along = (v - heart_v) * np.cos(lean) - (u - heart_u) * np.sin(lean)
  heart = step(1 - np.hypot(across / long, along / short), 0.08)
  lung = lung * (1 - 0.8 * heart)

  # Bones: spine with its vertebrae, ribs behind (arched) and in front (fainter), clavicles.
  spacing, (behind, before) = rng.uniform(0.07, 0.088), rng.uniform(0, 1, 2).tolist()
  arch = rng.uniform(0.9, 1.5) * side**2 - rng.uniform(0.0, 0.25) * side
  back = bands((v - arch) / spacing + behind, 1.2)
  front = bands((v + rng.uniform(0.5, 0.9) * side) / (1.15 * spacing) + before, 1.5)
  spine = step(0.04 - side, 0.01) * (0.8 + 0.2 * np.cos(2 * np.pi * v / (0.8 * spacing)))
  level = rng.uniform(0.14, 0.2) - rng.uniform(0.1, 0.3) * (side - 0.1)
  clavicle = gauss((v - level) / 0.013) * step(side - 0.04, 0.01) * step(0.36 - side, 0.02)

  # Distractors that every image carries: lung vessels, hila, a mild haze, air in the stomach.
  hilum = np.array([[x0 - 0.08 * scale, y0 - 0.04], [x0 + 0.08 * scale, y0 - 0.04]]).repeat(6, 0)
  headings = rng.uniform(-1.3, 1.3, 12) + np.pi * (np.arange(12) < 6)
  strokes = branches(rng, hilum, headings, rng.uniform(0.12, 0.26, 12), np.zeros(12), 6, twigs=24)
  fading = gauss(np.hypot(side - 0.08, v - 0.46) / 0.16)
  vessels = ink(strokes, size) * fading * rng.uniform(0.08, 0.15)
  hila = gauss((side - 0.085) / 0.035) * gauss((v - 0.46) / 0.07) * rng.uniform(0.03, 0.12)
  haze = np.maximum(cloud(rng, size, 4), 0) * rng.uniform(0.0, 0.05)
  haze = haze + cloud(rng, size, 12) * rng.uniform(0.004, 0.01)
  bubble = gauss(np.hypot((u - 0.2) / 0.06, (v - base - 0.06) / 0.035)) * rng.uniform(0, 0.15)

  air = rng.uniform(0.26, 0.34) - vessels - hila - haze
  if ill:
    air = air - np.minimum(_opacities(seed, index, u, v, size), 0.9 * air)
  dense = flesh - bubble - lung * air + 0.1 * heart + 0.06 * spine + 0.09 * gauss(side / 0.1)
  dense = dense + cage * (0.08 * back + 0.05 * front) * (0.3 + 0.7 * lung) + 0.09 * clavicle
  dense = dense + 0.02 * cloud(rng, size, 8)
  film = body * dense * (1 + rng.normal(0, 0.08) * (x - 0.5) + rng.normal(0, 0.08) * (y - 0.5))
  film = rng.uniform(1.0, 1.25) * np.maximum(film, 0) ** rng.uniform(0.85, 1.15)
  fog, grain = rng.uniform(0, 0.04), rng.uniform(0.003, 0.008)
  film = film + fog + grain * cloud(rng, size, 64)
  return quantised(film[..., None])


def _opacities(seed: int, index: int, u: Array, v: Array, size: int) -> Array:
  """Density that pneumonia adds to a lung, [H, W]: soft, mottled blobs with a warped outline."""
  rng = np.random.default_rng((seed, index, 1))
  contrast = 0.125 * rng.uniform() ** 0.4  # mostly plain, with a tail that is hardly visible
  total = np.zeros_like(u)
  for _ in range(rng.integers(2, 5)):
    side, radius = 2 * round(rng.uniform()) - 1, rng.uniform(0.1, 0.18)
    across = (u - side * rng.uniform(0.12, 0.28)) / radius + 0.3 * cloud(rng, size, 10)
    along = (v - rng.uniform(0.3, 0.74)) / (1.2 * radius) + 0.3 * cloud(rng, size, 10)
    mottle = rng.uniform(0.7, 1.0) * np.maximum(1 + 0.7 * cloud(rng, size, 48), 0)
    total = total + contrast * gauss(np.hypot(across, along)) * mottle
  return total


def _fundus(seed: int, index: int, size: int, ill: int) -> Array:
  """One fundus photograph, uint16 [size, size, 3]. `ill=0` is the lesion-free twin."""
  rng = np.random.default_rng((seed, index, 0))
  x, y = coordinates(size)

  # The field of view and its light, uneven as through an undilated pupil.
  field, (x0, y0) = rng.uniform(0.43, 0.53), rng.normal(0.5, 0.01, 2).tolist()
  edge = np.hypot(x - x0, y - y0) / field  # [H, W]
  light = 1 - rng.uniform(0.1, 0.35) * edge**2
  light = light + rng.normal(0, 0.2) * (x - 0.5) + rng.normal(0, 0.2) * (y - 0.5)
  light = light + 0.03 * cloud(rng, size, 5) + rng.uniform(0.008, 0.02) * cloud(rng, size, 20)
  colour = rng.uniform(0.6, 0.9) * rgb(1.0, rng.uniform(0.42, 0.6), rng.uniform(0.15, 0.35))

  # Macula near the centre, disc on the nasal side.
  nasal = 2 * round(rng.uniform()) - 1
  macula_x, macula_y = x0 - nasal * rng.uniform(0.0, 0.06), y0 + rng.uniform(-0.02, 0.04)
  disc_x, disc_y = macula_x + nasal * rng.uniform(0.26, 0.31), macula_y + rng.uniform(-0.05, 0.02)
  shade = gauss(np.hypot(x - macula_x, y - macula_y) / rng.uniform(0.04, 0.08))
  shade = shade * rng.uniform(0.1, 0.4)
  wide, tall = rng.uniform(0.045, 0.06), rng.uniform(0.052, 0.07)
  away = np.hypot((x - disc_x) / wide, (y - disc_y) / tall)
  pale = step(1 - away, 0.08) * (rng.uniform(0.45, 0.7) + 0.3 * gauss(away / 0.5))
  pale = pale + rng.uniform(0, 0.12) * gauss((away - 1.1) / 0.3)

  # Vessels from the disc: above and below, two arcades around the macula and a nasal branch each.
  up = np.array([-1, -1, -1, 1, 1, 1])
  headings = up * (np.array([1.2, 1.25, 2.0] * 2) + rng.normal(0, 0.15, 6))
  bends = up * np.array([2.3, 1.7, -1.0] * 2) * rng.uniform(0.85, 1.15, 6)
  if nasal < 0:
    headings, bends = np.pi - headings, -bends
  lengths = np.array([0.62, 0.55, 0.3] * 2) * rng.uniform(0.9, 1.1, 6)
  roots = np.array([[disc_x, disc_y]]).repeat(6, 0)
  strokes = branches(rng, roots, headings, lengths, bends, 7, twigs=36)
  vessels = ink(strokes, size) * rng.uniform(0.4, 0.65)

  dark = np.maximum(cloud(rng, size, 12), 0) * rng.uniform(0, 0.05)  # pigment
  bright = ink(spots(rng, x0, y0, 0.4, 5, 0.004, 0.009), size) * rng.uniform(0, 0.1)  # drusen
  if ill:
    blood, lipid = _retinopathy(seed, index, x0, y0, size)
    dark, bright = dark + blood, bright + lipid
  film = light[..., None] * colour  # [H, W, 3]
  film = film + (rgb(1.0, 0.86, 0.55) - film) * pale[..., None]
  absorption = ((vessels, rgb(0.45, 1, 0.8)), (shade, rgb(0.6, 1, 1)), (dark, rgb(0.5, 1, 1)))
  for layer, absorbed in absorption:
    film = film * (1 - layer[..., None] * absorbed)
  film = film + bright[..., None] * rgb(0.7, 1, 0.3)
  grain = np.stack([cloud(rng, size, 64) for _ in range(3)], axis=-1)
  film = (film + rng.uniform(0.006, 0.012) * grain) * step(1 - edge, 0.008)[..., None]
  return quantised(film)


def _retinopathy(seed: int, index: int, x0: float, y0: float, size: int) -> tuple[Array, Array]:
  """Light that blood takes away and lipids give back, [H, W] each: dots, blots and exudates."""
  rng = np.random.default_rng((seed, index, 1))
  contrast = 0.5 * rng.uniform() ** 0.4  # mostly plain, with a tail that is hardly visible
  dots = spots(rng, x0, y0, 0.38, int(rng.integers(15, 60)), 0.008, 0.014)
  blots = spots(rng, x0, y0, 0.36, int(rng.integers(1, 8)), 0.014, 0.035)
  near = (x0 + rng.uniform(-0.2, 0.2), y0 + rng.uniform(-0.2, 0.2))  # exudates lie in groups
  exudates = spots(rng, *near, 0.12, int(rng.integers(5, 50)), 0.006, 0.013)
  return contrast * ink(dots + blots, size), 0.5 * contrast * ink(exudates, size)
