"""DER and DER++ against the paper's equations as plain loops, and the logits that the memory keeps."""

import numpy as np
import pytest
import torch

from clnorm.execution.inputs import pixels_to_input
from tests.strategies.second import Held, cross_entropy, mean
from tests.training.strategies import create

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("pieces", [1, 4])
@pytest.mark.parametrize(("name", "alpha", "beta"), [("der:alpha=0.7", 0.7, 0), ("derpp:alpha=0.2,beta=1.5", 0.2, 1.5)])
def test_the_loss_is_the_papers(build_setup, pieces, name, alpha, beta):
    held = Held(build_setup, f"{name},per_class=2", train__accumulate=pieces)
    rows, targets, ids = held.outputs(), held.batch.targets.tolist(), held.batch.ids.tolist()
    kept = dict(zip(held.exemplars.tolist(), held.payload["logits"], strict=True))
    loss = mean(cross_entropy(rows[i], targets[i], range(4)) for i in range(3))
    apart = [[(kept[ids[i]][c] - rows[i][c]) ** 2 for c in range(4)] for i in range(3, 6)]
    loss = loss + alpha * mean(sum(each) / 4 for each in apart)
    if beta:
        loss = loss + beta * mean(cross_entropy(rows[i], targets[i], range(4)) for i in range(3, 6))
    held.check(loss)


@pytest.mark.parametrize(
    "changes", [{"norm": "ln"}, {"norm": "bn:recalibrate=current"}, {"norm": "cn", "train__ema": 0.5}]
)
def test_the_memory_keeps_the_logits_of_each_clip_alone_from_when_it_was_taken_in(build_setup, changes):
    """By hand: one clip at a time through the model that is evaluated, in evaluation mode; old ones stay."""
    strategy = create(build_setup(strategy="derpp:per_class=none,total=4", **changes))
    expected = {}
    for index in range(2):
        strategy.train_experience(index)
        model = strategy.evaluated_model.eval()
        for clip in strategy.exemplars.ids.tolist():
            if clip not in expected:
                with torch.no_grad():
                    expected[clip] = model(pixels_to_input(strategy.setup.store.gather(np.array([clip]))))[0]
        strategy.model.train()
        held = strategy.exemplars
        assert len(held) == 4
        for clip, logits in zip(held.ids.tolist(), held.payload["logits"], strict=True):
            torch.testing.assert_close(logits, expected[clip], rtol=1e-4, atol=1e-5)
    assert set(held.labels.tolist()) == {0, 1, 2, 3}
