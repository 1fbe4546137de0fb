"""JSON and YAML of bounded size, depth and aliases; the types of values."""

from typing import Any

import pytest
import yaml

from clnorm.config.load import load_config
from clnorm.errors import UserError
from clnorm.reading import check_types, read_json, read_yaml

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(9))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "more than 20,000 values"),
        ("a: &a {<<: *b}\nb: &b [*a]", "undefined alias"),
        ("a: &a [*a]", "inside of what it stands for"),
        ("[" * 5000, "nested more than 40"),
        ("{a: " * 50 + "1" + "}" * 50, "nested more than 40"),
        ("[" + "1," * 30_000 + "]", "more than 20,000 values"),
        ("a: " + "x" * 300_000, "larger than 200 kB"),
        ("a: " + "9" * 5000, "limit"),
        ("a: 2001-99-99", "month"),
    ],
)
def test_yaml_is_bounded(tmp_path, text, words):
    with pytest.raises((ValueError, yaml.YAMLError), match=words):
        read_yaml(text)
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UserError, match=r"c\.yaml"):
        load_config(tmp_path / "c.yaml")


def test_plain_aliases_are_taken():
    assert read_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}
    assert read_yaml("") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested more than 40"),
        ("[" * 42 + "]" * 42, "nested more than 40"),
        ("NaN", "NaN"),
        ('{"a": -Infinity}', "-Infinity"),
        ("9" * 5000, "limit"),
        ("{", "Expecting"),
        (b"\xff", "decode"),
    ],
)
def test_json_is_bounded(text, words):
    with pytest.raises(ValueError, match=words):
        read_json(text)


def test_types_are_compared_to_the_depth_of_lists_and_mappings():
    kinds = {"a": list[list[float | None]], "b": dict[str, str], "c": int, "d": Any, "e": tuple[str, ...]}
    check_types({"a": [[1, None, 0.5]], "b": {"x": "y"}, "c": 1, "d": [{}], "e": ("a",), "other": 1}, kinds)
    for wrong in ({"a": [[True]]}, {"a": [1]}, {"b": {"x": 1}}, {"b": []}, {"c": 1.0}, {"c": True}, {"e": ["a"]}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is "):
            check_types(wrong, kinds)


def test_half_a_character_is_refused_and_a_whole_one_is_read():
    assert read_json(r'{"a": "\ud83d\ude00"}') == {"a": "😀"}
    assert read_json(r'"a path C:\\users\\ud"') == r"a path C:\users\ud"
    for text in (r'{"a": ["\ud83d"]}', r'{"\udcff": 1}', rb'"\uDE00\uD83D"'):
        with pytest.raises(ValueError, match=r"half a character, '.ud"):
            read_json(text)
