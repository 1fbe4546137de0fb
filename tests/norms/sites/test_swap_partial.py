"""Models with norms that are no sites: these are named, and a partial swap leaves them."""

import pytest
from torch import nn

from clnorm.errors import UserError
from clnorm.norms import NormSite, swap_norms

C = 8


class Volumes(nn.Module):
    """A stem and a head for volumes, and a norm over channels last between them."""

    def __init__(self, *, middle: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, C, 3), nn.BatchNorm3d(C))
        self.middle = nn.LayerNorm(C) if middle else nn.Identity()
        self.last = nn.BatchNorm3d(C)


def test_the_norms_of_a_model_for_volumes_are_all_named():
    model = Volumes(middle=True)
    with pytest.raises(UserError, match=r"2 norms .*: stem.1 \(BatchNorm3d\), last \(BatchNorm3d\);.*partial=True"):
        swap_norms(model, "cn:groups=4")
    assert isinstance(model.middle, nn.LayerNorm)


def test_a_partial_swap_leaves_the_norms_for_volumes_and_lists_them():
    model = Volumes(middle=True)
    stem = model.stem[1]
    report = swap_norms(model, "cn:groups=4", partial=True)
    assert model.stem[1] is stem
    assert isinstance(model.middle, NormSite)
    assert [site.name for site in report.sites] == ["middle"]
    assert (report.found, report.replaced) == (3, 1)
    assert report.to_dict()["left"] == [
        {"name": "stem.1", "kind": "BatchNorm3d"},
        {"name": "last", "kind": "BatchNorm3d"},
    ]
    assert report.summary().endswith("left as they are: stem.1 (BatchNorm3d), last (BatchNorm3d)")
    assert "1 of 3 norms replaced" in report.summary()


def test_a_partial_swap_of_nothing_is_refused():
    with pytest.raises(UserError, match=r"2 norms cannot be replaced .*stem.1 \(BatchNorm3d\), last"):
        swap_norms(Volumes(middle=False), "ln", partial=True)
    with pytest.raises(UserError, match="no norm found"):
        swap_norms(nn.Linear(2, 2), "ln", partial=True)


@pytest.mark.parametrize("expected", [1, 2, 4])
def test_a_partial_swap_counts_what_is_left_among_the_expected_norms(expected):
    model = Volumes(middle=True)
    model.expected_norm_sites = expected
    with pytest.raises(UserError, match=f"3 norm sites found, {expected} expected; found: middle, stem.1, last"):
        swap_norms(model, "ln", partial=True)
    model.expected_norm_sites = 3
    assert swap_norms(model, "ln", partial=True).found == 3


def test_a_partial_swap_still_refuses_a_norm_that_does_not_fit():
    with pytest.raises(UserError, match="groups=3 does not divide 8 channels"):
        swap_norms(Volumes(middle=True), "gn:groups=3", partial=True)


def test_norms_within_modules_to_leave_stay_and_are_named(create_model):
    model = create_model()
    report = swap_norms(model, "bn", leave=["0"])
    assert [site.name for site in report.sites] == ["1.norm1", "1.norm2"]
    assert [(norm.name, norm.kind) for norm in report.left] == [("0.norm1", "LayerNorm"), ("0.norm2", "LayerNorm")]
    assert report.found == 4
    with pytest.raises(UserError, match="no norm is left to swap"):
        swap_norms(create_model(), "bn", leave=["0", "1"])
