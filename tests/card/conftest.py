"""What the tests of cards share: records of runs that were not made, and a card of hostile names."""

import pytest

from clnorm.card.parts import Card, Part, Picture, Table
from clnorm.results.record import RunRecord

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e &amp; $x_1$"


@pytest.fixture
def make_record():
    """A finished run by its norm, strategy, seed and metrics."""

    def make(norm, strategy, seed, accuracy, forgetting, label=""):
        names = {"dataset": "d", "protocol": "p", "backbone": "b", "norm": norm, "strategy": strategy}
        metrics = {"accuracy": accuracy, "forgetting": forgetting}
        shared = {"config": {}, "classes": [], "experiences": [], "setting": "s", "status": "finished"}
        return RunRecord(
            run=f"{norm}-{strategy}-{seed}", names=names, seed=seed, label=label, metrics=metrics, **shared
        )

    return make


@pytest.fixture
def hostile():
    """A card all of whose texts are hostile."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 2))
    figure.add_subplot().plot([0, 1])
    table = Table(HOSTILE, ("norm", HOSTILE), ((HOSTILE, "failed"), ("cn", HOSTILE * 20)))
    part = Part("contract", HOSTILE, (HOSTILE,), (table,), (Picture(HOSTILE, figure),), HOSTILE)
    return Card(HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, (part,), {"torch": HOSTILE})
