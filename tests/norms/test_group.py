"""Groups of channels: how many, and what they cannot be."""

import pytest

from clnorm.errors import UserError
from clnorm.norms import build_norm
from clnorm.norms.kernels.moments import count_groups
from tests.norms.steps import C, build, draw


@pytest.mark.parametrize(("channels", "groups"), [(768, 32), (192, 32), (48, 16), (24, 8), (7, 1)])
def test_automatic_groups(channels, groups):
    assert count_groups("auto", channels) == groups
    assert build_norm("cn", channels).groups == build_norm("gn", channels).groups == groups


@pytest.mark.parametrize("name", ["gn", "cn"])
def test_groups_that_do_not_divide_the_channels(name):
    with pytest.raises(
        UserError, match=r"groups=32 does not divide 48 channels; legal: auto, 1, 2, 3, 4, 6, 8, 12, 16"
    ):
        build_norm(f"{name}:groups=32", 48)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("spec", [f"gn:groups={C}", f"cn:groups={C}", "in"])
def test_groups_of_one_element_are_refused(spec, training):
    norm = build(spec).train(training)
    assert norm(draw(4, 2, C).float()).std() > 0
    with pytest.raises(UserError, match=r"12 groups of 12 channels at one position.*output is constant"):
        norm(draw(4, 1, C).float())
