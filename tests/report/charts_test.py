import io

import numpy as np
from PIL import Image

from hfc_tf.report.figures import draw
from hfc_tf.results.figures import PALETTE, ImageGrid, Line, LineChart, MatrixChart


def pixels(figure):
  return np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)


def near(picture, color, tolerance=12):
  """How many pixels have a colour, "#RRGGBB"."""
  wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
  return int((np.abs(picture - wanted).max(axis=-1) <= tolerance).sum())


SAID = {"name": "n", "title": "t", "alt": "a", "caption": "c"}
LABELS = {"x_label": "x", "y_label": "y", **SAID}


def test_lines_are_drawn_in_their_colours():
  lines = [
    Line("up", [0, 1, 2], [1, 10, 100], PALETTE[0]),
    Line("gap", [0, 1, 2], [100, np.nan, 1], PALETTE[1], "--", "o"),
  ]
  chart = LineChart(lines=lines, log_y=True, level=10, x_ticks={0: "a", 2: "b"}, **LABELS)
  figure = draw(chart)
  picture = pixels(figure)
  assert (figure.name, figure.title, figure.alt, figure.caption) == ("n", "t", "a", "c")
  assert near(picture, PALETTE[0]) > near(picture, PALETTE[1]) > 50
  assert near(picture, PALETTE[2]) == 0


def test_intervals_are_drawn():
  line = Line("a", [0, 1], [50, 60], PALETTE[0], "", "o")
  wide = Line("a", [0, 1], [50, 60], PALETTE[0], "", "o", [10, 20], [90, 95])
  points, bars = (
    pixels(draw(LineChart(lines=[each], y_range=(0, 100), **LABELS))) for each in (line, wide)
  )
  light = "#A6CEE6"  # the colour at 35 % on white
  assert near(points, light, 14) < 60 < near(bars, light, 14)


def test_points_are_not_joined_and_goals_are_grey():
  x, y = [0, 1, 2, 3], [0, 3, 0, 3]
  joined, points = (
    pixels(draw(LineChart(lines=[Line("a", x, y, PALETTE[0], style, "o")], **LABELS)))
    for style in ("-", "")
  )
  assert 20 < 4 * near(points, PALETTE[0]) < near(joined, PALETTE[0])
  goals = pixels(draw(LineChart(lines=[Line("a", x, y, PALETTE[0])], level=1, upright=2, **LABELS)))
  grey = (np.abs(goals - 0xBB).max(axis=-1) <= 12).sum(axis=1)
  assert (grey > 0).mean() > 0.5 and grey.max() > 300  # a column and a row


def test_matrix_is_brightest_where_alike():
  values = np.array([[1.0, -1.0], [-1.0, 1.0]])
  picture = pixels(draw(MatrixChart(labels=["a", "b"], values=values, **SAID)))
  # cividis ends in yellow and begins in dark blue
  assert near(picture, "#FEE838", 20) > 1000 and near(picture, "#00224E", 20) > 1000


def test_boxes_are_red_and_where_they_belong():
  images = np.full((2, 16, 16, 1), 0.5, np.float32)
  boxes = np.array([[[2, 2, 6, 6]], [[8, 8, 14, 14]]])
  columns = [("clean", images), ("ill", images)]
  picture = pixels(draw(ImageGrid(columns=columns, boxes={1: boxes}, **SAID)))
  left, right = np.array_split(picture, 2, axis=1)
  assert near(left, "#E8212B", 40) == 0
  top, bottom = np.array_split(right, 2, axis=0)
  assert 0 < near(top, "#E8212B", 40) < near(bottom, "#E8212B", 40)  # the smaller box is above


def test_colours_differ():
  assert len(set(PALETTE)) == len(PALETTE) >= 10
