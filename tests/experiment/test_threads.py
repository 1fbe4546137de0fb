"""Runs in two threads of one process: each gives, to the bit, what it gives alone, and leaves the process as it was."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import numpy as np
import pytest
import torch

import clnorm
from clnorm.progress import Reporter
from clnorm.seeding import hold_process

# They draw dropout and stochastic depth from torch's global generators, in training and, with checkpointing, again.
RANDOM = "lsvit_nano:dropout=0.3,drop_path=0.5"
PAIRS = {
    "kernels and attention": [
        {"norm": "cn", "seed": 0, "train__kernels": "native", "train__attention": "explicit"},
        {"norm": "cn", "seed": 0, "train__kernels": "torch", "train__attention": "fused"},
    ],
    "seeds, checkpointing and precision": [
        {"norm": "bn", "seed": 1, "train__checkpointing": True},
        {"norm": "bn", "seed": 2, "train__precision": "bf16", "strategy": "replay:per_class=2"},
    ],
}


def results(config, reporter=None):
    """What a run says and leaves, but for times."""
    record = clnorm.run(config, reporter=reporter)
    folder = Path(config.out) / record.run
    files = {name: (folder / name).read_bytes() for name in ("predictions.parquet", "model.safetensors", "matrix.csv")}
    return record.matrix, record.execution, files


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_two_runs_in_two_threads_give_what_each_gives_alone(tiny, tmp_path, pair):
    together, alone = ([tiny(**run, backbone=RANDOM, out=str(tmp_path / name)) for run in pair] for name in "ab")
    start = Barrier(2)

    def begin(config):
        start.wait()
        return results(config)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(begin, together))
    assert found == [results(config) for config in alone]
    assert found[0] != found[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": RANDOM, "strategy": "replay:per_class=2"},
        {"backbone": "timm:test_vit", "strategy": "ewc", "data__augment": "strong", "data__mix": "mixup"},
        {"train__imbalance": "ldam", "train__ema": 0.9, "model__calibrate": True, "norm": "bn"},
        {"train__imbalance": "feature_smote", "strategy": "joint"},
    ],
)
def test_a_run_leaves_the_global_generators_where_they_were(tiny, changes):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    clnorm.run(tiny(train__epochs=1, **changes))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


@pytest.mark.slow
def test_a_run_that_waits_for_another_says_so(tiny):
    waiting = Event()

    class Notes(Reporter):
        def note(self, text):
            if "the runs of a process take turns" in text:
                waiting.set()

    with ThreadPoolExecutor(1) as pool:
        with hold_process():
            run = pool.submit(clnorm.run, tiny(train__epochs=1), reporter=Notes())
            assert waiting.wait(60)
            assert not run.done()
        assert run.result().status == "finished"
