"""A user's own list of classes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.errors import ClnormError, UserError
from clnorm.streams.class_list import read_class_list
from clnorm.streams.protocols import listed

NAMES = ("brush_hair", "cartwheel", "catch", "chew gum")


def write(folder, text, name="classes.txt"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "# base\ncatch, brush_hair\n\n  chew gum , cartwheel,\n"),
        ("classes.yaml", "- [catch, brush_hair]\n- - chew gum\n  - cartwheel\n"),
        ("classes.YML", "[[catch, brush_hair], [chew gum, cartwheel]]"),
        ("classes", "\ufeffcatch,brush_hair\r\nchew gum,cartwheel"),
    ],
)
def test_both_forms_are_read_in_their_order(tmp_path, name, text):
    assert read_class_list(write(tmp_path, text, name), NAMES) == [[2, 0], [3, 1]]
    assert listed(4, seed=9, file=write(tmp_path, text, name), names=NAMES).classes == [[2, 0], [3, 1]]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("a.txt", "catch, brush_hair, cartwheel", "it lacks chew gum"),
        ("a.txt", "catch, brush_hair\ncartwheel, chew gum, catch", "'catch' stands there 2 times"),
        ("a.txt", "cach, brush_hair, cartwheel, chew gum", "there is no class 'cach'.*did you mean 'catch'"),
        ("a.txt", "", "holds no experience"),
        ("a.txt", "# nothing\n", "holds no experience"),
        ("a.txt", "catch, brush_hair\n,\ncartwheel, chew gum", "an experience is empty"),
        ("a.yaml", "catch: [brush_hair]", "not a list of lists"),
        ("a.yaml", "- catch\n- brush_hair", "not a list of lists"),
        ("a.yaml", "- [catch, yes]", "True is no text.*quotes"),
        ("a.yaml", "- [catch", "is no YAML"),
        ("a.yaml", "- [catch, brush_hair]\n- []", "an experience is empty"),
        ("a.yaml", "", "not a list of lists"),
    ],
)
def test_a_list_that_does_not_name_each_class_once(tmp_path, name, text, word):
    with pytest.raises(ClnormError) as caught:
        read_class_list(write(tmp_path, text, name), NAMES)
    found = [caught.value, *getattr(caught.value, "errors", [])]
    import re

    assert any(re.search(word, str(error)) for error in found), found


def test_all_mistakes_are_told_at_once(tmp_path):
    with pytest.raises(ClnormError) as caught:
        read_class_list(write(tmp_path, "cach, catch, catch"), NAMES)
    assert len(caught.value.errors) == 3


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_class_list(str(tmp_path / "none.txt"), NAMES)
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="no text in UTF-8"):
        read_class_list(str(tmp_path / "b.txt"), NAMES)


@given(st.permutations(range(4)), st.integers(1, 3))
def test_any_partition_comes_back(tmp_path_factory, order, cut):
    groups = [list(order[:cut]), list(order[cut:])]
    text = "\n".join(", ".join(NAMES[label] for label in group) for group in groups)
    assert read_class_list(write(tmp_path_factory.mktemp("lists"), text), NAMES) == groups
