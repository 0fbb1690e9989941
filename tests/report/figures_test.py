import io
import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from hfc_tf.evaluation.curves import roc_curve
from hfc_tf.experiments.pictures import (
  example_images,
  feature_map,
  roc_curves,
  score_histograms,
)
from hfc_tf.report.figures import draw, one_line
from hfc_tf.results.figures import Line, LineChart, MatrixChart


def image(figure):
  return Image.open(io.BytesIO(figure.png))


def scores(rng, detectors=("kd", "maha"), n=60):
  return {
    name: {
      "clean": rng.normal(0, 1, n),
      "attack": rng.normal(3, 1, n),
      "hfc": rng.normal(-1, 1, n),
    }
    for name in detectors
  }


def area(fpr, tpr):
  """The area under a staircase whose value holds until the next step."""
  return float(np.sum(np.diff(fpr) * tpr[:-1]))


@pytest.mark.parametrize("shape", [(2, 8, 9, 1), (2, 8, 9, 3), (2, 5, 8, 9, 1)])
def test_examples_draw_planes_and_volumes(shape):
  clean = np.random.default_rng(0).uniform(0.2, 0.8, shape).astype(np.float32)
  attacked = {"attack": clean + 2 / 256, "hfc": clean - 1 / 256}
  figure = draw(example_images("bim", clean, attacked, 2))
  assert image(figure).width > image(figure).height
  assert "2/256 by BIM" in figure.alt and "1/256 by BIM with HFC" in figure.alt
  assert "64 times" in figure.caption
  assert ("middle slice" in figure.caption) == (len(shape) == 5)


def test_examples_show_the_middle_slice():
  volume = np.zeros((1, 5, 4, 4, 1), np.float32)
  volume[0, 2] = 0.5
  (_, clean), (_, attacked), _ = example_images("bim", volume, {"attack": volume}, 2).columns
  assert clean.shape == (1, 4, 4, 1) and clean.max() == attacked.max() == 0.5


def test_changes_are_signed_about_mid_grey():
  clean = np.full((1, 8, 8, 1), 0.5, np.float32)
  attacked = clean.copy()
  attacked[0, :4] += 2 / 256
  attacked[0, 4:] -= 2 / 256
  figure = draw(example_images("bim", clean, {"attack": attacked}, 2))
  pixels = np.asarray(image(figure).convert("L"))
  panel = pixels[:, -150:-50]  # inside the last panel
  below_title = panel[panel.shape[0] // 3 :, 50]
  assert below_title.max() == 255 and below_title.min() == 0


def test_histograms_tell_who_is_flagged():
  rng = np.random.default_rng(0)
  drawn = scores(rng)
  drawn["kd"]["attack"][:] = np.linspace(0, 4, 60)  # 15 of 60 are at most 1
  drawn["kd"]["clean"][:] = 0
  figure = draw(score_histograms("bim", drawn, {"kd": 1.0, "maha": None}))
  assert "KD: 0% of clean, 75% of BIM, " in figure.alt
  assert "MAHA: " not in figure.alt  # no threshold, no share
  assert image(figure).format == "PNG"


def test_an_attack_that_reached_nothing():
  drawn = {"kd": {"clean": np.arange(5.0), "attack": np.zeros(0)}}
  predicted = {"clean": np.zeros(5), "attack": np.zeros(0)}
  assert "nan" not in draw(score_histograms("bim", drawn, {"kd": 1.0})).alt
  assert "nan" not in draw(roc_curves("bim", drawn, predicted)).alt


def test_histograms_of_a_constant_score():
  constant = {"kd": {"clean": np.ones(5), "attack": np.ones(5)}}
  assert image(draw(score_histograms("bim", constant, {}))).width > 0


def test_pooled_curve_has_the_area_of_scikit_learn():
  rng = np.random.default_rng(1)
  clean, attacked = rng.normal(0, 1, 80), rng.normal(1, 1, 50)
  fpr, tpr, auc = roc_curve(clean, attacked)
  truth = np.repeat([0, 1], [80, 50])
  assert auc == pytest.approx(roc_auc_score(truth, np.concatenate([clean, attacked])), abs=1e-12)
  assert area(fpr, tpr) == pytest.approx(auc, abs=1e-12)


def test_within_class_curve_ignores_what_the_class_alone_tells():
  rng = np.random.default_rng(2)
  clean_class, attacked_class = rng.integers(0, 2, 300), rng.integers(0, 4, 300) // 3
  clean = rng.normal(10.0 * clean_class)
  attacked = rng.normal(10.0 * attacked_class)
  pooled = roc_curve(clean, attacked)[2]
  fpr, tpr, within = roc_curve(clean, attacked, clean_class, attacked_class)
  assert abs(pooled - 0.5) > 0.08
  assert within == pytest.approx(0.5, abs=0.06)
  areas = [
    roc_auc_score(
      np.repeat([0, 1], [np.sum(clean_class == c), np.sum(attacked_class == c)]),
      np.concatenate([clean[clean_class == c], attacked[attacked_class == c]]),
    )
    for c in (0, 1)
  ]
  assert within == pytest.approx(np.mean(areas), abs=1e-12)
  assert area(fpr, tpr) == pytest.approx(within, abs=1e-12)


def test_curve_without_a_common_class():
  with pytest.raises(ValueError, match="no class"):
    roc_curve(np.ones(3), np.ones(3), np.zeros(3), np.ones(3))
  groups = {"kd": {"clean": np.ones(3), "attack": np.ones(3)}}
  predicted = {"clean": np.zeros(3), "attack": np.ones(3)}
  assert image(draw(roc_curves("bim", groups, predicted))).width > 0


def test_roc_figure_names_areas():
  figure = draw(roc_curves("pgd", scores(np.random.default_rng(3))))
  assert figure.name == "roc_pgd"
  assert "for PGD, " in figure.alt and "for PGD with HFC" in figure.alt
  assert figure.alt.startswith("Pooled")


def test_feature_map_is_seeded_and_tells_distances():
  rng = np.random.default_rng(0)
  features = {
    "clean_original": rng.normal(0, 1, (30, 6)),
    "clean_target": rng.normal(3, 1, (30, 6)),
    "attack": rng.normal(30, 1, (30, 6)),
    "hfc": rng.normal(3, 1, (30, 6)),
  }
  first, second = (draw(feature_map("bim", features, "relu", 4, 20)) for _ in range(2))
  assert first.png == second.png
  attack, hidden = (
    float(first.caption.split(f" for {name}")[0].split()[-1]) for name in ("BIM;", "BIM with HFC.")
  )
  assert attack > 10 and 0.5 < hidden < 2


def test_feature_map_of_few_points():
  few = {"clean_target": np.eye(3), "attack": np.zeros((0, 3)), "hfc": np.eye(3)[:2]}
  assert image(draw(feature_map("bim", few, "relu"))).width > 0


HOSTILE = [
  "US$_low to $x^$",
  "10$^a \\bad{y}",
  "_hidden",
  "سليم 🫁",
  "n" * 250 + "\nline",
  "x\udcff",
]


@pytest.fixture
def odd_matplotlibrc():
  """What a matplotlibrc may say, and must not say of our pictures."""
  with matplotlib.rc_context({"text.usetex": True, "savefig.dpi": 20, "font.size": 40,
                              "axes.facecolor": "red", "savefig.bbox": "tight"}):  # fmt: skip
    yield
    assert matplotlib.rcParams["text.usetex"] and matplotlib.rcParams["font.size"] == 40


def _hostile_figures():
  images = np.random.default_rng(0).random((len(HOSTILE), 8, 8, 1)).astype(np.float32)
  yield draw(example_images("bim", images, {"attack": images, "hfc": images}, 4, HOSTILE))
  lines = [Line(name, [0, 1], [place, 1], "#0072B2") for place, name in enumerate(HOSTILE)]
  said = {"name": "n", "title": "t", "alt": "", "caption": ""}
  ticks = {0: "$a^$", 1: "b"}
  yield draw(LineChart(lines=lines, x_label=HOSTILE[0], y_label="%s", x_ticks=ticks, **said))
  yield draw(MatrixChart(labels=HOSTILE[:4], values=np.eye(4), **said))


def test_hostile_names_are_drawn_and_settings_change_nothing(odd_matplotlibrc):
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    drawn = [figure.png for figure in _hostile_figures()]
  with matplotlib.rc_context():
    matplotlib.rcdefaults()
    assert [figure.png for figure in _hostile_figures()] == drawn


def test_names_are_one_line_of_bounded_length():
  assert one_line("a\n\tb \u202ec\udcff") == "a b c"
  assert one_line("x" * 99, 10) == "x" * 9 + "…"
  assert one_line("_x") == " _x"  # matplotlib's legends leave out what begins with "_"
