"""Draws what `hfc_tf.results.figures` describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hfc_tf.report import charts, curves, pictures
from hfc_tf.report.figures import Figure
from hfc_tf.results import figures

_DRAWN_BY: dict[type, Callable[[Any], Figure]] = {
  figures.LineChart: charts.line_chart,
  figures.MatrixChart: charts.matrix_chart,
  figures.BoxedImages: charts.boxed_images,
  figures.ScoreHistograms: curves.score_histograms,
  figures.ROCCurves: curves.roc_curves,
  figures.FeatureMap: pictures.feature_map,
  figures.ExampleImages: pictures.example_images,
}


def draw(chart: Any) -> Figure:
  """The picture of a chart; a picture as it is."""
  return chart if isinstance(chart, Figure) else _DRAWN_BY[type(chart)](chart)
