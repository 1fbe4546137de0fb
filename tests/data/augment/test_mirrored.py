"""Classes that a flip turns into each other: found by their names, and exchanged where an option says so."""

import pytest
import torch

from clnorm.catalogue import AUGMENTATIONS
from clnorm.data.augment.mirrored import describe_mirrored, find_mirrored
from clnorm.data.augment.presets import create_augmentation
from clnorm.errors import UserError
from clnorm.seeding import torch_generator


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


CLASSES = ("push_left", "push_right", "walk", "a+b", "none")
FLIP = "light:flip=1,min_scale=1,stretch=1,contrast=0,saturation=0,brightness=0"


def flipped(options, *, seen=(True,) * 5, flip=FLIP):
    """The clips before and after, and their labels after, of two clips a class."""
    clips, labels = torch.rand(10, 2, 3, 4, 6, generator=torch_generator(0, "clips")), torch.arange(5).repeat(2)
    change = create_augmentation(AUGMENTATIONS.parse(f"{flip}{options}"), CLASSES)
    changed, after = change(clips, labels, seen=torch.tensor(seen), generator=torch_generator(0, "augmentation"))
    return clips, changed, after.tolist()


def test_a_flipped_clip_gets_the_label_of_its_mirror_image():
    clips, changed, after = flipped(",mirrored=push_left/push_right/none/a+b")
    assert after == [1, 0, 2, 4, 3] * 2
    assert torch.equal(changed, clips.flip(-1))


def test_a_clip_is_not_flipped_before_its_other_class_is_seen():
    clips, changed, after = flipped(",mirrored=push_left/push_right", seen=(True, False, True, True, True))
    assert after[0::5] == [0, 0]
    assert torch.equal(changed[0::5], clips[0::5])
    assert torch.equal(changed[2::5], clips[2::5].flip(-1))


def test_the_labels_that_are_exchanged_are_those_of_the_clips_that_are_flipped():
    half = FLIP.replace("flip=1", "flip=0.5")
    clips, changed, after = flipped(",mirrored=push_left/push_right", flip=half)
    is_flipped = [torch.equal(new, old.flip(-1)) for new, old in zip(changed, clips, strict=True)]
    assert [label != place % 5 for place, label in enumerate(after)] == [
        turned and place % 5 < 2 for place, turned in enumerate(is_flipped)
    ]
    assert 0 < sum(is_flipped) < 10


@pytest.mark.parametrize("name", ["light", "strong"])
def test_pixels_are_the_same_with_and_without_the_option(name):
    _, without, same = flipped("", flip=name)
    _, paired, exchanged = flipped(":mirrored=push_left/push_right", flip=name)
    assert torch.equal(without, paired)
    assert same == [0, 1, 2, 3, 4] * 2 != exchanged


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("mirrored=push_left/push_rihgt", "there is no class 'push_rihgt'.*did you mean 'push_right'"),
        ("mirrored=push_left", "names 1 classes, and the last one has no other"),
        ("mirrored=push_left/", "the last one has no other"),
        ("mirrored=push_left/push_right/walk", "names 3 classes"),
        ("mirrored=walk/walk", "names 'walk' more than once.*its own mirror image"),
        ("mirrored=push_left/push_right/push_left/walk", "names 'push_left' more than once"),
        ("mirrored=push_left/push_right,unflipped=push_right", "'push_right' stands in mirrored.*and in unflipped"),
        ("mirrored=push_left+push_right", "there is no class 'push_left.push_right'"),
        ("mirrored=Push_Left/push_right", "did you mean 'push_left'"),
        ("mirrored=", "is not option=value"),
    ],
)
def test_pairs_that_cannot_be_are_named(options, message):
    with pytest.raises(UserError, match=f"(?s)(data.augment|augmentation).*{message}"):
        flipped(f",{options}")


def test_an_augmentation_of_other_arguments_is_refused_before_it_is_used(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "def build(classes):\n    return lambda clips, labels, *, generator: clips\n"
    (tmp_path / "old_augment_plugin.py").write_text(source)
    with pytest.raises(UserError, match=r"data\.augment: .*cannot be called.*seen.*-> \(clips, labels\)"):
        create_augmentation(AUGMENTATIONS.parse("old_augment_plugin:build"), CLASSES)
