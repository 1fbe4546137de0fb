"""ER-ACE against the paper's equation as plain loops, whole and in pieces."""

import pytest

from tests.strategies.second import Held, cross_entropy, mean


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pieces", "changes"),
    [
        (1, {}),
        (4, {}),
        (1, {"train__label_smoothing": 0.2}),
        (1, {"train__loss": "all", "protocol": "tcd:base=2,step=1"}),
    ],
)
def test_the_loss_is_the_papers(build_setup, pieces, changes):
    """Experience 2 has two classes, or one; a batch of three of its clips may lack one of them."""
    held = Held(build_setup, "er_ace:per_class=2", train__accumulate=pieces, **changes)
    rows, batch, smoothing = held.outputs(), held.batch, changes.get("train__label_smoothing", 0.0)
    assert batch.recalled.tolist() == [False] * 3 + [True] * 3
    targets = batch.targets.tolist()
    here = sorted(set(targets[:3]))
    seen = list(range(4 if changes.get("train__loss") == "all" else held.strategy.training_stream.seen_after(1)))
    current = mean(cross_entropy(rows[i], targets[i], here, smoothing) for i in range(3))
    remembered = mean(cross_entropy(rows[i], targets[i], seen, smoothing) for i in range(3, 6))
    held.check(current + remembered)


@pytest.mark.slow
def test_classes_are_those_of_the_batch_not_of_its_pieces(build_setup):
    """Pieces of one clip each: a softmax over one class alone would have no gradient."""
    held = Held(build_setup, "er_ace:per_class=2,share=0.3", train__accumulate=6, train__batch_size=6)
    targets = held.batch.targets.tolist()
    assert held.batch.recalled.tolist() == [False] * 4 + [True] * 2
    here = sorted(set(targets[:4]))
    assert len(here) == 2
    rows = held.outputs()
    current = mean(cross_entropy(rows[i], targets[i], here) for i in range(4))
    held.check(current + mean(cross_entropy(rows[i], targets[i], range(4)) for i in (4, 5)))
