"""A record for tests that need one and no run."""

from clnorm.results.record import RunRecord

FINISHED = RunRecord(
    status="finished",
    run="r",
    names=dict.fromkeys(("dataset", "protocol", "backbone", "norm", "strategy"), "a"),
    seed=0,
    setting="s",
    config={},
    classes=["[/]", "Läufer"],
    experiences=[[0], [1]],
    matrix=[[0.5, None], [0.25, 0.75]],
    metrics={"accuracy": 0.5},
    data={"test_clips": [4, 4]},
    cost={"seconds": 1.0, "clips_trained": 8, "peak_memory_mb": 1.0},
)
