"""Streams: clips of a table in experiences, and the Avalanche benchmark of their ids."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.catalogue import PROTOCOLS
from clnorm.data.augment.looks import Look
from clnorm.data.datasets.splits import hold_out
from clnorm.data.table import ClipTable
from clnorm.errors import UserError
from clnorm.streams.cut import Cut
from clnorm.streams.stream import ABSENT, create_stream
from clnorm.training.benchmark import create_benchmark

EVEN = PROTOCOLS.parse("even:experiences=2")


def make_table():
    """Four classes, each with three training, two test and one unused clip."""
    splits = ["train"] * 3 + ["test"] * 2 + ["unused"]
    rows = [
        (f"c{label}/{i}.avi", label, split, f"g{label}{i}", 10) for label in range(4) for i, split in enumerate(splits)
    ]
    frame = pd.DataFrame(rows, columns=["path", "label", "split", "group", "bytes"])
    return ClipTable("toy", Path("/nowhere"), ("a", "b", "c", "d"), frame)


@pytest.fixture
def table():
    return make_table()


def test_every_clip_of_the_split_is_in_exactly_one_experience(table):
    stream = create_stream(table, EVEN, seed=3, bad={})
    trained = np.concatenate([experience.train_ids for experience in stream.experiences])
    assert sorted(trained) == sorted(table.train_ids)
    assert sorted(stream.test_ids) == sorted(table.test_ids)
    for experience in stream.experiences:
        for ids in (experience.train_ids, experience.test_ids):
            assert set(table.labels[ids]) == set(experience.classes)
            assert ids.tolist() == sorted(ids)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (None, "gave None; legal: a list of experiences, each a list of ids from 0 to 3"),
        ([0, 1, 2, 3], r"gave \[0, 1, 2, 3\]"),
        ([[0, 1], [2.5, 3]], "gave"),
        ([["a", "b"], [2, 3]], "gave"),
        ([[0, 1], [2]], "class 3 is in no experience"),
        ([[0, 1], [1, 2, 3]], "class 1 is there more than once"),
        ([[0, 1], [2, 3, 4]], "there is no class 4"),
        ([[0, 1, 2, 3], []], "an experience is empty"),
    ],
)
def test_a_protocol_that_is_no_partition_of_the_classes_is_refused(table, given, word):
    plugin = SimpleNamespace(name="mine:cut", bind=lambda: lambda num_classes, *, seed: given)
    with pytest.raises(UserError, match=f"protocol mine:cut: {word}"):
        create_stream(table, plugin, seed=0, bad={})


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (Cut([[0, 1], [2, 3]], looks=(Look(),)), "gave 1 looks; legal: none, or 2"),
        (Cut([[0, 1], [2, 3]], share=1.5), "a share of 1.5; legal: 0 to 1"),
        (Cut([[0, 1], [2, 3]], divided="clip"), "divides 'clip'; did you mean 'clips'"),
        (Cut([[0, 1, 2, 3]] * 2, divided="clips", knows_tasks=True), "tasks that are known"),
        (Cut([[0, 1, 2]] * 2, divided="clips"), "class 3 is in no experience"),
        (Cut([[0, 1], [2, 2, 3]]), "class 2 is there more than once"),
        (Cut([]), "gave no experience"),
    ],
)
def test_a_cut_of_a_plugin_that_contradicts_itself_is_refused(table, given, word):
    plugin = SimpleNamespace(name="mine:cut", bind=lambda: lambda num_classes, *, seed: given)
    with pytest.raises(UserError, match=f"protocol mine:cut: .*{word}"):
        create_stream(table, plugin, seed=0, bad={})


def test_a_plugin_is_given_the_names_where_it_asks_for_them(table):
    def make(num_classes, *, seed, names):
        return [[names.index("d")], [names.index(name) for name in "abc"]]

    stream = create_stream(table, SimpleNamespace(name="mine:cut", bind=lambda: make), seed=0, bad={})
    assert [list(part.classes) for part in stream.experiences] == [[3], [0, 1, 2]]


def test_targets_are_places_in_the_order_so_that_seen_classes_come_first(table):
    stream = create_stream(table, EVEN, seed=3, bad={})
    assert stream.order[stream.targets].tolist() == table.labels.tolist()
    assert stream.seen_after(0) == 2
    first = stream.experiences[0]
    assert set(stream.targets[first.train_ids]) == {0, 1}
    assert stream.tested_after(0).tolist() == first.test_ids.tolist()
    assert not len(stream.tested_after(-1))
    assert stream.tested_after(1).tolist() == stream.test_ids.tolist()
    assert (stream.seen_after(-1), stream.seen_after(1)) == (0, 4)
    assert [stream.experience_of_class[label] for label in first.classes] == [0, 0]


@given(st.integers(0, 999), st.integers(1, 4))
def test_outputs_of_a_partition_follow_its_own_order_of_classes(seed, count):
    """What streams were before an experience could be anything but classes, written out: not a bit of it changes."""
    generator = np.random.default_rng(seed)
    classes = generator.permutation(4)
    groups = [group.tolist() for group in np.split(classes, np.sort(generator.choice(range(1, 4), count - 1, False)))]
    table, plugin = make_table(), SimpleNamespace(name="mine:cut", bind=lambda: lambda n, *, seed: groups)
    stream = create_stream(table, plugin, seed=0, bad={})
    assert stream.order.tolist() == classes.tolist()
    assert stream.targets.tolist() == [classes.tolist().index(label) for label in table.labels]
    assert stream.experience_of_clip.tolist() == [
        next(index for index, group in enumerate(groups) if label in group) for label in table.labels
    ]
    assert stream.is_by_class
    for index, group in enumerate(groups):
        trained = [clip for clip in table.train_ids if table.labels[clip] in group]
        assert stream.experiences[index].train_ids.tolist() == trained
        assert stream.seen_after(index) == sum(map(len, groups[: index + 1]))
        seen = [clip for clip in stream.test_ids if stream.targets[clip] < stream.seen_after(index)]
        assert stream.tested_after(index).tolist() == seen


def test_joined_keeps_clips_and_targets(table):
    stream = create_stream(table, EVEN, seed=3, bad={})
    joined = stream.joined()
    assert joined.seen_after(0) == 4
    assert joined.tested_after(0).tolist() == stream.test_ids.tolist()
    assert not joined.experience_of_clip.any()
    assert len(joined.experiences) == 1
    assert sorted(joined.experiences[0].train_ids) == sorted(table.train_ids)
    assert joined.targets is stream.targets


def test_bad_clips_are_left_out_and_an_emptied_class_is_an_error(table):
    bad = {int(table.train_ids[0]): "truncated"}
    stream = create_stream(table, EVEN, seed=3, bad=bad)
    assert sum(len(experience.train_ids) for experience in stream.experiences) == len(table.train_ids) - 1
    with pytest.raises(UserError, match="no training clips for: a"):
        create_stream(table, EVEN, seed=3, bad=dict.fromkeys(range(3), "truncated"))


def test_the_benchmark_holds_ids_and_targets_only(table):
    stream = create_stream(table, EVEN, seed=3, bad={})
    benchmark = create_benchmark(stream)
    for role in ("train", "test"):
        for experience, made in zip(stream.experiences, getattr(benchmark, f"{role}_stream"), strict=True):
            samples = [(int(clip), int(target)) for clip, target, _ in made.dataset]
            ids = getattr(experience, f"{role}_ids")
            assert samples == [(clip, stream.targets[clip]) for clip in ids]


def test_the_first_experiences_are_those_of_the_whole_stream_with_all_outputs(table):
    whole, first = create_stream(table, EVEN, seed=3, bad={}), create_stream(table, EVEN, seed=3, bad={}).first(1)
    assert first.digests == whole.digests[:1]
    assert first.test_ids.tolist() == whole.experiences[0].test_ids.tolist()
    assert (first.num_classes, first.targets.tolist()) == (4, whole.targets.tolist())
    reached = set(whole.experiences[0].classes)
    assert [owner == 0 for owner in first.experience_of_class] == [label in reached for label in range(4)]
    assert set(first.experience_of_class) == {0, ABSENT}
    joined = first.joined()
    assert set(joined.experiences[0].classes) == reached
    assert (joined.seen_after(0), whole.joined().seen_after(0)) == (2, 4)
    assert first.is_by_class
    assert whole.first(0) == whole
    assert len(whole.first(2).experiences) == 2
    with pytest.raises(UserError, match=r"train.experiences: there are no 3 experiences; legal: 1 to 2, or 0"):
        whole.first(3)


def test_validation_takes_training_clips_and_leaves_the_test_clips_out(table):
    stream = create_stream(table, EVEN, seed=3, bad={}, validation=0.34)
    trained = np.concatenate([experience.train_ids for experience in stream.experiences])
    assert sorted([*trained, *stream.test_ids]) == table.train_ids.tolist()
    assert np.bincount(table.labels[stream.test_ids]).tolist() == [1, 1, 1, 1]
    other = create_stream(table, EVEN, seed=4, bad={}, validation=0.34)
    assert sorted(other.test_ids) == sorted(stream.test_ids), "the same clips whatever the seed"
    bad = {int(stream.test_ids[0]): "truncated"}
    with pytest.raises(UserError, match="no test clips for: "):
        create_stream(table, EVEN, seed=3, bad=bad, validation=0.34)


def test_validation_keeps_sources_whole(table):
    frame = table.frame.assign(group=[f"g{row // 2}" for row in range(len(table))])  # clips 0, 1 and 2 of each class
    shared = ClipTable("toy", Path("/nowhere"), table.classes, frame)
    held = hold_out(shared, share=0.34)
    groups = set(shared.groups[held])
    assert groups
    assert held.tolist() == [clip for clip in shared.train_ids if shared.groups[clip] in groups]
    single = ClipTable("toy", Path("/nowhere"), table.classes, table.frame.assign(group=table.frame["label"].map(str)))
    with pytest.raises(
        UserError, match=r"data.validation: no training clip can be held out of: a, b, c, \.\.\.; legal: two"
    ):
        hold_out(single, share=0.5)


@pytest.mark.parametrize(
    "text", ["blurry:share=0.4,experiences=2", "domain-incremental:experiences=2", "online:experiences=2"]
)
def test_validation_fits_every_protocol(table, text):
    """Held-out clips are tested where test clips would be: in the experience of their class, or in every domain."""
    frame = pd.concat(
        [table.frame.assign(path=f"{take}/" + table.frame["path"]) for take in range(4)], ignore_index=True
    )
    larger = ClipTable("toy", Path("/nowhere"), table.classes, frame.assign(group=frame["path"]))
    stream = create_stream(larger, PROTOCOLS.parse(text), seed=0, bad={}, validation=0.5).first(2)
    assert set(larger.frame["split"][stream.test_ids]) == {"train"}
    for experience in stream.experiences:
        assert set(larger.labels[experience.test_ids]) == set(experience.classes)
        assert not set(experience.test_ids) & {*np.concatenate([part.train_ids for part in stream.experiences])}
