import pytest

from hfc_tf.errors import InputError
from hfc_tf.study.flags import choose_layers

NAMES = [f"tap{i}" for i in range(1, 18)]


def test_layers_by_name_and_number():
  assert choose_layers(["tap3", "1", "17"], NAMES, ()) == ["tap1", "tap3", "tap17"]


def test_default_layers_keep_their_depth():
  assert choose_layers([], [str(i) for i in range(1, 50)], (36, 45, 48)) == ["36", "45", "48"]
  assert choose_layers([], NAMES, (36, 45, 48)) == ["tap12", "tap16", "tap17"]
  assert choose_layers([], NAMES[:2], (1, 49)) == ["tap1", "tap2"]


@pytest.mark.parametrize("layer", ["0", "18", "tap18", "-1", ""])
def test_unknown_layers_are_refused(layer):
  with pytest.raises(InputError, match="a layer from 1 to 17"):
    choose_layers([layer], NAMES, ())
