"""DyT and Derf: the parameters and where they start."""

from clnorm.norms import build_norm
from tests.norms.steps import C


def test_parameters_and_where_they_start():
    dyt, derf = build_norm("dyt:alpha=0.25", C), build_norm("derf:alpha=0.25", C)
    assert [name for name, _ in dyt.named_parameters()] == ["weight", "bias", "alpha"]
    assert [name for name, _ in derf.named_parameters()] == ["weight", "bias", "alpha", "shift"]
    assert dyt.alpha.item() == derf.alpha.item() == 0.25
    assert derf.shift.item() == 0
    assert build_norm("dyt", C).alpha.item() == build_norm("derf", C).alpha.item() == 0.5
