"""Networks that are soon trained, for experiments that train several."""

import functools

import pytest

from hfc_tf import models
from hfc_tf.models.resnet18 import small_resnet


@pytest.fixture
def thin_models(monkeypatch):
  """Makes --model=small_resnet one of two thin stages."""
  thin = functools.partial(small_resnet, widths=(8, 16))
  monkeypatch.setitem(models.MODELS, "small_resnet", thin)
