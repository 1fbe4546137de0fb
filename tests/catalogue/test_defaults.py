"""Defaults of plug-ins' options: written and read again as they are, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.catalogue.registry import Registry
from clnorm.errors import UserError


@pytest.fixture
def registry():
    return Registry("norm", plural="norms")


class Plain(float):
    """A number that is no plain float, as numpy's are."""


@pytest.mark.parametrize(
    "default",
    ["", " ", " padded", "a,b", "two\nlines", "bell\a", float("inf"), -float("inf"), float("nan"), Plain(0.5)],
)
def test_a_default_that_could_not_be_written_is_refused_when_it_is_registered(registry, default):
    with pytest.raises(UserError, match=r"the default .* of argument 'value' cannot be written as an option"):

        @registry.register("odd")
        def make(num_channels, value=default):
            return value


def test_a_default_of_another_type_than_its_annotation_is_refused(registry):
    with pytest.raises(UserError, match=r"make: the default 0\.5 of argument 'value' cannot be written"):

        @registry.register("odd")
        def make(num_channels, value: int = 0.5):
            return value


@given(st.one_of(st.text(max_size=5), st.booleans(), st.integers(), st.floats()))
def test_a_default_is_read_again_as_what_it_is_or_refused(default):
    registry = Registry("norm", plural="norms")

    def make(num_channels, value=default, **given):
        return value

    try:
        registry.register("made")(make)
    except UserError:
        assert default in ("", float("inf"), -float("inf")) or default != default or isinstance(default, str)
        return
    spec = registry.parse("made")
    assert registry.parse(str(spec)) == spec
    assert spec.build(8) == default


@pytest.mark.parametrize("default", [None, (1, 2), "a=b", "a:b", "[x]", 1e-300, 10**20, True])
def test_other_defaults_are_kept(registry, default):
    @registry.register("fine")
    def make(num_channels, value=default, **given):
        return value

    spec = registry.parse("fine")
    assert registry.parse(str(spec)).build(8) == default
