"""Generators: one a purpose, the same for the same seed, independent of each other."""

import torch

from clnorm.seeding import derive_seed, numpy_generator, torch_generator


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
