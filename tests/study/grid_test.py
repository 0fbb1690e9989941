"""Budgets in files: what they are in [0, 1], and which exist."""

import pytest

from hfc_tf.errors import InputError
from hfc_tf.study import grid
from hfc_tf.study.config import Config


@pytest.mark.parametrize(
  ("budget", "levels", "unit"),
  [(1, 255, 1 / 255), (4, 255, 4 / 255), (1, 4095, 16 / 4095), (0.25, 65535, 64 / 65535),
   (0.3, None, 0.3 / 256)],
)  # fmt: skip
def test_a_256th_is_so_many_grey_levels(budget, levels, unit):
  assert grid.unit(budget, levels) == pytest.approx(unit, rel=1e-12)
  assert grid.budget(grid.unit(budget, levels), levels) == budget
  grid.check("--eps", budget, levels)


@pytest.mark.parametrize(
  ("budget", "levels", "message"),
  [(0.5, 255, r"0\.5/256, 0\.5 of them"), (1.5, 255, r"1\.5/256, 1\.5 of them"),
   (0.05, 4095, r"a grey level or more \(0\.0625/256 each\) in 12-bit files")],
)  # fmt: skip
def test_a_budget_that_files_do_not_have_is_one_line(budget, levels, message):
  with pytest.raises(InputError, match=rf"--eps.*{message}.*--grid=float") as caught:
    grid.check("--eps", budget, levels)
  assert "\n" not in str(caught.value)


def test_budgets_that_exist_and_the_nearest():
  assert grid.existing([0.25, 0.5, 1, 1.5, 2], 255) == [1, 2]
  assert grid.existing([0.05, 0.0625, 0.1], 4095) == [0.0625, 0.1]
  assert grid.existing([0.25], None) == [0.25]
  assert [grid.nearest(budget, 255) for budget in (0.1, 1.4, 1.6)] == [1, 1, 2]
  assert grid.nearest(0.1, 4095) == 2 / 16 and grid.nearest(0.1, None) == 0.1


def test_names_of_grids():
  assert [grid.label(levels) for levels in (255, 4095, 65535, None)] == [
    "8 bits", "12 bits", "16 bits", "float",
  ]  # fmt: skip


def test_what_flags_tell_is_refused_before_any_image_is_read(tmp_path):
  with pytest.raises(InputError, match=r"--eps of a whole number of grey levels"):
    Config(eps_256=0.5).resolved()
  real = {"data_dir": str(tmp_path), "eps_256": 0.5}
  with pytest.raises(InputError, match=r"--grid=float"):
    Config(**real, grid="8").resolved()
  for fits in ({"grid": "auto"}, {"grid": "12"}, {"grid": "float"}):
    assert Config(**real, **fits).resolved().eps_256 == 0.5
