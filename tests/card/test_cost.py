"""Cost: times by a clock of the test's own, and memory that can be counted by hand."""

import itertools

import pytest
import torch

from clnorm.card.cost import PASSES, TRAINING, measure_costs, peak_memory
from clnorm.catalogue import NORMS
from clnorm.conformance.norm_under_test import NormUnderTest

SHAPE = (4, 3, 8)


def subjects(*names):
    return {name: NormUnderTest(NORMS.parse(name), SHAPE[2]) for name in names}


def test_ratios_are_of_one_round_and_the_first_round_does_not_count():
    # Each of three passes reads the clock twice; bn's take 1 s and ln's 4 s, all ten times as long in the next round.
    readings, now = [], 0.0
    for number in range(5):
        for seconds in (1.0, 4.0):
            for _ in range(3):
                readings.append(now)
                now += seconds * 10**number
                readings.append(now)
    clock = itertools.chain(readings, itertools.count(now)).__next__
    costs = measure_costs(subjects("bn", "ln"), shape=SHAPE, versus=["bn", "ln"], rounds=4, clock=clock)
    by = {(cost.norm, cost.timed): cost for cost in costs}
    assert set(by) == {(norm, timed) for norm in ("bn", "ln") for timed in PASSES}
    assert by["bn", "forward"].seconds.median == pytest.approx((100 + 1000) / 2)
    assert by["bn", TRAINING].seconds.median == pytest.approx(100 + 1000)
    for timed in PASSES:
        assert by["ln", timed].ratios["bn"].median == pytest.approx(4)
        assert by["bn", timed].ratios["ln"].median == pytest.approx(1 / 4)
        assert by["ln", timed].ratios["ln"].median == 1
        assert by["ln", timed].seconds.n == 4


def test_norms_of_all_needs_are_measured():
    costs = measure_costs(subjects("bn_task", "adab2n", "identity"), shape=SHAPE, versus=["identity"], rounds=1)
    assert len(costs) == 3 * len(PASSES)
    assert all(cost.seconds.median > 0 for cost in costs)


def test_the_most_that_is_held_at_a_time(capfd):
    x = torch.zeros(1000)

    def go():
        first = x + 1  # 4000 bytes, with a scalar of its own or two
        second = first + 1  # 8000
        del first
        return second + 1  # 8000 again

    assert 8000 <= peak_memory(go) < 8100
    assert capfd.readouterr().err == "", "the profiler is silent"
