"""What the tests of training share."""

import pytest

from clnorm.norms import calibrate
from clnorm.training.norms import statistics


@pytest.fixture
def told(monkeypatch):
    """Every context that strategies give, in their order."""
    given = []

    def record(model, context):
        given.append(context)
        provide(model, context)

    provide = statistics.provide_context
    monkeypatch.setattr(statistics, "provide_context", record)
    monkeypatch.setattr(calibrate, "provide_context", record)
    return given
