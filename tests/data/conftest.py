"""What several readers' tests look at."""

import pytest
from absl import logging as absl_logging


@pytest.fixture(name="warnings")
def _warnings(monkeypatch):
  warnings = []
  monkeypatch.setattr(
    absl_logging, "warning", lambda text, *args: warnings.append(text % args), raising=True
  )
  return warnings
