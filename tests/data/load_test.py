import sys
import types

import pytest

from hfc_tf import data
from hfc_tf.errors import InputError


def test_unknown_name_lists_the_known_ones():
  with pytest.raises(InputError, match=r"chest, fundus, .*brain_binary; found heart"):
    data.load("heart")


@pytest.mark.parametrize("name", sorted(set(data.DATASETS) - set(data.PHANTOMS)))
def test_no_phantom_no_data(name):
  with pytest.raises(InputError, match="set --data_dir"):
    data.load(name)


@pytest.mark.parametrize("name", data.PHANTOMS)
def test_phantoms_are_announced_as_synthetic(name, monkeypatch):
  asked = {}
  stand_in = types.ModuleType("hfc_tf.data.phantoms")
  setattr(stand_in, name, lambda **options: asked.update(options))
  monkeypatch.setitem(sys.modules, "hfc_tf.data.phantoms", stand_in)
  monkeypatch.setattr(data, "phantoms", stand_in, raising=False)
  warnings = []
  monkeypatch.setattr(data.logging, "warning", lambda text, *args: warnings.append(text % args))
  data.load(name, image_size=32, seed=5)
  assert asked == {"image_size": 32, "seed": 5}
  data.load(name, num_images=7)
  assert asked["num_images"] == 7
  assert len(warnings) == 2 and "synthetic" in warnings[0]
