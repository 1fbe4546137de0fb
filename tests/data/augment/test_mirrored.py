"""Classes that a flip turns into each other are found by their names."""

import pytest

from clnorm.catalogue import AUGMENTATIONS
from clnorm.data.augment.mirrored import describe_mirrored, find_mirrored


@pytest.mark.parametrize(
    "pair",
    [
        ("push_left", "push_right"),
        ("PushLeft", "PushRight"),
        ("turning left", "turning right"),
        ("Left-hand swipe", "Right-hand swipe"),
        ("roll leftwards", "roll rightwards"),
        ("lefthanded", "righthanded"),
        ("rotate clockwise", "rotate counterclockwise"),
        ("RotateClockwise", "RotateCounterClockwise"),
        ("turn_clockwise", "turn_anti-clockwise"),
        ("spin cw", "spin ccw"),
        ("left to right", "right to left"),
    ],
)
def test_a_pair_is_found(pair):
    assert find_mirrored(["walk", *pair, "run"]) == [pair]


@pytest.mark.parametrize(
    "classes",
    [
        ("stairs_up", "stairs_down"),
        ("copyright", "copyleft"),
        ("push_left", "pull_right"),
        ("push_left",),
        ("brightness", "bleftness"),
        ("left", "left "),
        (),
    ],
)
def test_other_names_are_no_pair(classes):
    assert find_mirrored(classes) == []


def test_what_is_flipped_and_keeps_its_label_is_said_with_what_to_write():
    classes = ["push_left", "push_right", "walk"]
    said = describe_mirrored(AUGMENTATIONS.parse("light"), classes)
    assert "push_left and push_right look like each other" in said
    assert said.endswith("unflipped=push_left/push_right")
    assert "mirrored=push_left/push_right;" in said
    sides = ("unflipped=push_left/push_right", "mirrored=push_right/push_left", "mirrored=push_left/walk")
    for quiet in ("none", "light:flip=0", *(f"light:{side}" for side in sides)):
        assert describe_mirrored(AUGMENTATIONS.parse(quiet), classes) == ""
    half = describe_mirrored(AUGMENTATIONS.parse("light:unflipped=walk/push_left"), classes)
    assert half.endswith("unflipped=walk/push_left/push_right")
    assert describe_mirrored(AUGMENTATIONS.parse("light"), ["walk", "run"]) == ""
