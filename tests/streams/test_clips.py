"""Clips divided among experiences: blurry boundaries, domains and sources."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.catalogue import PROTOCOLS
from clnorm.data.table import ClipTable
from clnorm.errors import UserError
from clnorm.streams.stream import create_stream


def make_table(train, test, *, sources=None, known=True):
    """Clips of as many classes as `train` has entries; `sources` a class and role, each clip its own by default."""
    rows = []
    for label, counts in enumerate(zip(train, test, strict=True)):
        for split, count in zip(("train", "test"), counts, strict=True):
            for clip in range(count):
                path = f"c{label}/{split}{clip}.avi"
                group = f"g{label}{split}{clip % (sources or count)}"
                rows.append((path, label, split, group if known else path, 10))
        rows.append((f"c{label}/rest.avi", label, "unused", f"u{label}", 10))
    frame = pd.DataFrame(rows, columns=["path", "label", "split", "group", "bytes"])
    return ClipTable("toy", Path("/nowhere"), tuple(f"name{label}" for label in range(len(train))), frame)


def stream_of(table, text, *, seed=0, bad=None):
    return create_stream(table, PROTOCOLS.parse(text), seed=seed, bad=bad or {})


def check_partition(stream, table):
    trained = np.concatenate([experience.train_ids for experience in stream.experiences])
    tested = np.concatenate([experience.test_ids for experience in stream.experiences])
    assert sorted(trained) == sorted(table.train_ids)
    assert sorted(tested) == sorted(table.test_ids)
    for experience in stream.experiences:
        for ids in (experience.train_ids, experience.test_ids):
            assert ids.tolist() == sorted(ids)
            assert (stream.experience_of_clip[ids] == experience.index).all()
    assert stream.order[stream.targets].tolist() == table.labels.tolist()


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 25), min_size=2, max_size=6),
    st.integers(2, 6),
    st.sampled_from([0.0, 0.1, 0.3, 0.55, 1.0]),
    st.integers(0, 9),
)
def test_blurry_trains_every_clip_once_and_tests_by_class(train, experiences, share, seed):
    if experiences > len(train):
        return
    table, text = make_table(train, [2] * len(train)), f"blurry:experiences={experiences},share={share}"
    if share and not any(min(round(share * count), count - 1) for count in train):
        with pytest.raises(UserError, match="is no clip"):
            stream_of(table, text, seed=seed)
        return
    stream = stream_of(table, text, seed=seed)
    check_partition(stream, table)
    own = stream.experience_of_class
    assert stream.is_by_class
    assert (own[table.labels[table.test_ids]] == stream.experience_of_clip[table.test_ids]).all()
    for label, count in enumerate(train):
        ids = table.train_ids[table.labels[table.train_ids] == label]
        at_home = int((stream.experience_of_clip[ids] == own[label]).sum())
        assert count - at_home == min(round(share * count), count - 1)
    # Seen classes are those that any clip so far is of, and they are the first outputs.
    for experience in stream.experiences:
        so_far = np.concatenate([part.train_ids for part in stream.experiences[: experience.index + 1]])
        assert set(stream.targets[so_far]) == set(range(stream.seen_after(experience.index)))


def test_blurry_spreads_evenly():
    table = make_table([50] * 6, [2] * 6)
    stream = stream_of(table, "blurry:experiences=3,share=0.1")
    foreign = [
        int((stream.experience_of_class[table.labels[part.train_ids]] != part.index).sum())
        for part in stream.experiences
    ]
    assert sum(foreign) == 30
    assert max(foreign) - min(foreign) <= 2
    assert stream.seen_after(0) == 6


def test_no_share_is_even():
    table = make_table([10] * 4, [2] * 4)
    blurred, even = (stream_of(table, f"{name}:experiences=2") for name in ("blurry", "even"))
    unblurred = stream_of(table, "blurry:experiences=2,share=0")
    assert unblurred.digests == even.digests
    assert unblurred.order.tolist() == even.order.tolist()
    assert blurred.digests != even.digests


@settings(max_examples=40)
@given(
    st.lists(st.integers(2, 12), min_size=1, max_size=4),
    st.lists(st.integers(2, 7), min_size=4, max_size=4),
    st.integers(2, 5),
    st.integers(0, 9),
)
def test_domains_are_a_stratified_partition(train, test, experiences, seed):
    table = make_table(train, test[: len(train)])
    text = f"domain-incremental:experiences={experiences}"
    if experiences > min([*train, *test[: len(train)]]):
        with pytest.raises(UserError, match="fewer than experiences"):
            stream_of(table, text, seed=seed)
        return
    stream = stream_of(table, text, seed=seed)
    check_partition(stream, table)
    assert not stream.is_by_class
    assert stream.seen_after(0) == len(train)
    assert len(stream.looks) == experiences
    for name in ("train_ids", "test_ids"):
        counts = np.array(
            [np.bincount(table.labels[getattr(part, name)], minlength=len(train)) for part in stream.experiences]
        )
        assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()
        assert np.ptp(counts.sum(axis=1)) <= 1
    same = stream_of(table, text, seed=seed)
    assert same.digests == stream.digests


def test_what_clips_look_like_is_another_stream():
    table = make_table([4, 4], [4, 4])
    streams = [
        stream_of(table, f"domain-incremental:experiences=2,change={change}") for change in ("blur", "brightness")
    ]
    assert [part.train_ids.tolist() for part in streams[0].experiences] == [
        part.train_ids.tolist() for part in streams[1].experiences
    ]
    assert streams[0].digests[1] != streams[1].digests[1]


def test_bad_clips_change_nothing_for_the_others():
    table = make_table([8, 8], [4, 4])
    for text in ("domain-incremental:experiences=2", "blurry:experiences=2,share=0.3"):
        whole, lacking = stream_of(table, text), stream_of(table, text, bad={0: "broken"})
        for one, other in zip(whole.experiences, lacking.experiences, strict=True):
            assert other.train_ids.tolist() == [clip for clip in one.train_ids if clip]


def test_sources_stay_whole():
    table = make_table([12, 12, 9], [6, 6, 6], sources=3)
    stream = stream_of(table, "domain-incremental:change=source,experiences=3")
    check_partition(stream, table)
    used = np.concatenate([table.train_ids, table.test_ids])
    for group in set(table.groups[used]):
        assert len(set(stream.experience_of_clip[used][table.groups[used] == group])) == 1
    for part in stream.experiences:
        assert set(table.labels[part.train_ids]) == set(table.labels[part.test_ids]) == {0, 1, 2}


def test_sources_that_are_unknown_or_too_few():
    with pytest.raises(UserError, match=r"the source of 8 of 8 clips is not known.*hmdb51"):
        stream_of(make_table([2, 2], [2, 2], known=False), "domain-incremental:change=source,experiences=2")
    with pytest.raises(UserError, match=r"no source is left with .* clips of name.*; legal: 2 to 2 exp") as error:
        stream_of(make_table([9, 9], [9, 9], sources=2), "domain-incremental:change=source,experiences=3")
    assert "experiences=2" in str(error.value)
    with pytest.raises(UserError, match="two or more for each class and use"):
        stream_of(make_table([9, 9], [9, 9], sources=1), "domain-incremental:change=source,experiences=2")


def test_tasks_allow_the_classes_of_ones_own_experience():
    table = make_table([3] * 4, [2] * 4)
    stream = stream_of(table, "task-incremental:experiences=2")
    allowed = stream.allowed(table.test_ids)
    for clip, row in zip(table.test_ids, allowed, strict=True):
        own = stream.experiences[stream.experience_of_clip[clip]].classes
        assert set(stream.order[row]) == set(own)
        assert row[stream.targets[clip]]
    even = stream_of(table, "even:experiences=2")
    assert even.allowed(table.test_ids) is None
    assert even.order.tolist() == stream.order.tolist()
    assert even.digests != stream.digests
