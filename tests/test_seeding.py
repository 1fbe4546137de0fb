"""Generators: one a purpose, the same for the same seed, independent of each other."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from clnorm.seeding import derive_seed, hold_process, numpy_generator, seeded_torch, torch_generator


def test_purpose_seed_and_index_each_change_the_draw():
    draws = {
        derive_seed(0, "a"),
        derive_seed(1, "a"),
        derive_seed(0, "b"),
        derive_seed(0, "a", 0),
        derive_seed(0, "a", 1),
    }
    assert len(draws) == 5
    assert all(0 <= draw < 2**63 for draw in draws)


def test_the_derivation_is_fixed_for_all_time():
    # A change here would change every published number.
    assert derive_seed(0, "class order") == 9135719407526882642
    assert numpy_generator(0, "class order").permutation(5).tolist() == [1, 2, 4, 0, 3]


def test_generators_do_not_touch_the_global_ones():
    before = torch.random.get_rng_state()
    assert torch.equal(
        torch.rand(3, generator=torch_generator(1, "x")), torch.rand(3, generator=torch_generator(1, "x"))
    )
    assert torch.equal(before, torch.random.get_rng_state())


def test_threads_that_draw_from_torchs_global_generator_take_turns():
    def draw(seed):
        with seeded_torch(seed):
            numbers = []
            for _ in range(20):
                numbers.append(torch.rand(1).item())
                time.sleep(0.001)
        return numbers

    before = torch.get_rng_state()
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(draw, (1, 2)))
    assert together == [draw(1), draw(2)]
    assert together[0] != together[1]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_thread_may_hold_the_process_twice_and_lets_go_where_it_fails():
    waited = []

    def enter():
        with hold_process(lambda: waited.append(1)):
            return True

    with pytest.raises(RuntimeError, match="stop"), hold_process(), hold_process():
        raise RuntimeError("stop")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(enter).result(10)
    assert not waited
