"""Families of names: an entry that takes a word, such as `timm:NAME`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Entry, Registry
from clnorm.errors import UserError


@pytest.fixture
def families():
    registry = Registry("norm", plural="norms")
    registry.add(Entry("cn", "math:sqrt", "a norm"))
    registry.add(Entry("hub", "operator:truediv", "a family", {"scale": Option(0.5, low=0.0)}, takes="NAME"))
    return registry


@given(word=st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True), scale=st.floats(0, 1e6))
def test_any_member_of_a_family_survives_writing_and_reading(word, scale):
    registry = Registry("norm", plural="norms")
    registry.add(Entry("hub", "operator:truediv", "a family", {"scale": Option(0.5, low=0.0)}, takes="NAME"))
    spec = registry.parse(f"hub:{word}:scale={scale!r}")
    assert (spec.name, spec.kwargs) == (f"hub:{word}", {"scale": scale})
    assert registry.parse(str(spec)) == registry.parse(spec.short) == registry.parse(spec) == spec


@given(st.text(max_size=40))
def test_any_text_after_a_family_parses_or_is_a_users_error(text):
    registry = Registry("norm", plural="norms")
    registry.add(Entry("hub", "operator:truediv", "a family", {"scale": Option(0.5, low=0.0)}, takes="NAME"))
    try:
        spec = registry.parse(f"hub:{text}")
    except UserError:
        return
    assert registry.parse(str(spec)) == spec


def test_a_family_binds_the_word_as_first_argument(families):
    entry = families.get("hub:ab.c-1")
    assert (entry.name, entry.word, entry.summary) == ("hub:ab.c-1", "ab.c-1", "a family")
    assert entry.source == ""
    families.add(Entry("word", "builtins:sorted", takes="WORD"))
    assert families.get("word:cab").load()(reverse=True) == ["c", "b", "a"]
    assert families.names() == ["cn", "hub:NAME", "word:WORD"]
    assert families.parse("hub:x").kwargs == {"scale": 0.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hub", ["'hub:' does not say which", "legal: hub:NAME"]),
        ("hub:", ["does not say which"]),
        ("hub:scale=0.2", ["'scale=0.2' cannot be a name", "write hub:NAME"]),
        ("hub:a b", ["'a b' cannot be a name"]),
        ("hub:x:size=2", ["'hub:x' has no option 'size'"]),
        ("hub:x:scale=-1", ["a number >= 0"]),
        ("hubb:x", ["no module 'hubb'"]),
        ("hubb", ["unknown norm 'hubb'", "cn, hub:NAME"]),
    ],
)
def test_bad_members_of_a_family(families, text, words):
    with pytest.raises(UserError) as caught:
        families.parse(text)
    for word in words:
        assert word in str(caught.value)


def test_timm_is_a_family_of_backbones():
    from clnorm.catalogue import BACKBONES
    from clnorm.cli.listing import list_names

    spec = BACKBONES.parse("timm:vit_tiny_patch16_224.augreg_in21k:drop_path=0.2")
    assert (spec.name, spec.kwargs) == ("timm:vit_tiny_patch16_224.augreg_in21k", {"drop_path": 0.2})
    assert spec.short == "timm:vit_tiny_patch16_224.augreg_in21k:drop_path=0.2"
    assert any(line.startswith("timm:NAME ") for line in list_names("backbones").splitlines())
