"""Networks that are soon trained, for experiments that train several."""

import functools

import pytest

from hfc_tf import models
from hfc_tf.evaluation import metrics
from hfc_tf.models.resnet18 import small_resnet


@pytest.fixture
def thin_models(monkeypatch):
  """Makes --model=small_resnet one of two thin stages."""
  thin = functools.partial(small_resnet, widths=(8, 16))
  monkeypatch.setitem(models.MODELS, "small_resnet", thin)


@pytest.fixture(autouse=True, scope="module")
def few_images():
  """Small studies have fewer than 20 images a class; their figures are said all the same."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(metrics, "FEWEST", 1)
    yield
