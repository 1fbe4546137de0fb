"""What a search may have found, for tests that need a result and no search."""

from clnorm.config.tuned import Tuning

TUNING = Tuning(
    metric="accuracy",
    trials=4,
    experiences=2,
    validation=0.2,
    seeds=[0],
    sampler="Sobol, scrambled, seed 0",
    search={"train.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "ewc.lam": [1.0, 100.0]},
    config={"train.epochs": 2},
    cells=[
        {"norm": norm, "strategy": strategy, "values": values, "trial": 1, "value": 0.5, "failed": 0, "edges": {}}
        for norm, strategy, values in [
            ("bn", "naive", {"train.lr": 0.001}),
            ("bn", "ewc", {"train.lr": 0.002, "ewc.lam": 1.0}),
            ("cn", "ewc:fisher=exact", {"train.lr": 0.003, "ewc.lam": 100.0}),
        ]
    ],
)
