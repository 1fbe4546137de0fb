"""iCaRL's loss against algorithm 3 as plain loops, and what it cannot do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clnorm.errors import UserError
from tests.strategies.second import Held, mean
from tests.training.strategies import create


def loss_of_clip(row, target, *, known, classes, taught, partner=None, own_share=1.0, smoothing=0.0):
    """Algorithm 3 for one clip: row (outputs,), and the old model's sigmoids `taught` (known,)."""
    total = 0.0
    for y in range(classes):
        if y < known:
            wanted = taught[y]
        else:
            wanted = sum(
                share * ((1 - smoothing) * (y == label) + smoothing / classes)
                for share, label in ((own_share, target), (1 - own_share, target if partner is None else partner))
            )
        g = 1 / (1 + (-row[y]).exp())
        total = total - wanted * g.log() - (1 - wanted) * (1 - g).log()
    return total


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"train__accumulate": 4},
        {"train__label_smoothing": 0.2},
        {"data__mix": "mixup"},
        {"train__loss": "all", "protocol": "tcd:base=2,step=1"},
        {"norm": "bn"},
    ],
    ids=str,
)
def test_the_loss_is_algorithm_3(build_setup, changes):
    held = Held(build_setup, "icarl:per_class=2", **changes)
    batch, model = held.batch, held.strategy.model
    with torch.no_grad():
        taught = torch.sigmoid(model.eval()(batch.clips))
    model.load_state_dict(held.begun)
    rows = held.outputs()
    classes = 4 if changes.get("train__loss") == "all" else held.strategy.training_stream.seen_after(1)
    held.check(
        mean(
            loss_of_clip(
                rows[i],
                int(batch.targets[i]),
                known=2,
                classes=classes,
                taught=taught[i],
                partner=int(batch.partners[i]),
                own_share=batch.own_share,
                smoothing=changes.get("train__label_smoothing", 0.0),
            )
            for i in range(6)
        )
    )
    assert (batch.own_share < 1) == ("data__mix" in changes)


def test_exemplars_are_herded_and_the_nearest_mean_predicts(build_setup):
    strategy = create(build_setup(strategy="icarl"))
    assert strategy.exemplars.budget.select == "herding"
    assert strategy.classifier == "nme"
    assert create(build_setup(strategy="replay")).classifier == "head"
    assert not strategy.first_as_naive


def test_a_stream_in_which_classes_come_again_is_refused(build_setup):
    from clnorm.strategies.icarl import icarl

    setup = build_setup(strategy="icarl")
    first, second = setup.stream.experiences
    again = replace(second, train_ids=np.concatenate([second.train_ids, first.train_ids[:1]]))
    stream = replace(setup.stream, experiences=(first, again))
    with pytest.raises(UserError, match="experience 2 has clips of such classes"):
        icarl(replace(setup, stream=stream))
