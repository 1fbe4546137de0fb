"""What a record says of the bytes that are kept."""

import pytest
import torch

from clnorm.training.describe import describe_memory
from clnorm.training.plugin import MethodPlugin
from clnorm.training.trainer import ClipStrategy
from tests.training.strategies import create

CHANNELS = 9 * 96 + 4 * 24  # of lsvit_nano's 13 sites, 4 of them in the narrower motion modules


class Holds(MethodPlugin):
    """Holds 1,000 numbers, some of them nested, and a payload of 4 bytes a clip."""

    def payload(self, strategy, ids):
        return {"place": torch.zeros(len(ids))}

    def state_dict(self):
        return {"old": {"a": torch.zeros(600)}, "list": [torch.zeros(2, 200)], "count": 3}

    def load_state_dict(self, state):
        pass


def test_everything_kept_is_counted(build_setup):
    strategy = create(build_setup(strategy="replay:per_class=2", norm="bn", train__epochs=1))
    strategy = ClipStrategy(setup=strategy.setup, plugins=[Holds()], share=0.5, exemplars=strategy.exemplars)
    strategy.train_experience(0)
    memory = describe_memory(strategy)
    assert memory["clips"] == 4
    assert memory["megabytes"] == pytest.approx(4 * 4 * 3 * 16 * 16 / 1e6)
    assert memory["payload_megabytes"] == pytest.approx(4 * 4 / 1e6)
    assert memory["method_megabytes"] == pytest.approx(4000 / 1e6)
    assert memory["statistics_megabytes"] == pytest.approx((CHANNELS * 2 * 4 + 13 * 8) / 1e6)
    parts = ("megabytes", "payload_megabytes", "method_megabytes", "statistics_megabytes")
    assert memory["kept_megabytes"] == pytest.approx(sum(memory[part] for part in parts))


def test_statistics_of_each_task_are_counted(build_setup):
    one, each = (
        describe_memory(create(build_setup(norm=norm)))["statistics_megabytes"] for norm in ("bn", "bn_task:tasks=4")
    )
    assert each > 3.5 * one


def test_without_statistics_there_are_none(build_setup):
    assert describe_memory(create(build_setup(norm="ln")))["kept_megabytes"] == 0
