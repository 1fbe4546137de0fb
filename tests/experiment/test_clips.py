"""A run's folder holds its clips and its split: a run of other clips from its configuration is refused."""

import shutil

import pandas as pd
import pytest

import clnorm
from clnorm.config.identity import flatten
from clnorm.config.load import load_config
from clnorm.data.datasets.clip_list import write_clip_list
from clnorm.errors import ClnormError, UserError
from clnorm.results.clips import CLIPS_FILE, refuse_other_clips, write_clips
from clnorm.results.folder import run_name

CLASSES = ["run", "jump"]
FRAME = pd.DataFrame(
    {
        "path": ["a.avi", "b.avi", "c.avi"],
        "label": [0, 1, 1],
        "split": ["train", "test", "train"],
        "group": ["g1", "g2", "g3"],
        "bytes": [1, 2, 3],
    }
)


@pytest.mark.parametrize(
    ("changed", "classes", "words"),
    [
        (FRAME.assign(split=["train", "train", "test"]), CLASSES, r"2 in another split \(b\.avi: train, was test\)"),
        (FRAME.assign(group=["g1", "g1", "g3"]), CLASSES, r"1 of another source \(b\.avi: g1, was g2\)"),
        (FRAME.assign(bytes=[1, 2, 9]), CLASSES, r"1 of another size \(c\.avi: 9, was 3\)"),
        (FRAME.assign(label=[1, 1, 1]), CLASSES, r"1 of another class \(a\.avi: jump, was run\)"),
        (FRAME, ["run", "leap"], r"2 of another class \(b\.avi: leap, was jump\)"),
        (FRAME.iloc[[0, 2]], CLASSES, r"1 missing \(b\.avi\).*1 with another id \(c\.avi: 1, was 2\)"),
        (FRAME.assign(path=["a.avi", "b.avi", "d.avi"]), CLASSES, r"1 missing \(c\.avi\); 1 new \(d\.avi\)"),
        (FRAME.iloc[[1, 0, 2]], CLASSES, r"2 with another id"),
    ],
)
def test_what_differs_is_said(tmp_path, changed, classes, words):
    write_clips(tmp_path, FRAME, CLASSES)
    refuse_other_clips(tmp_path / CLIPS_FILE, FRAME, CLASSES)
    with pytest.raises(UserError, match=rf"the clips are not those of this table: .*{words}.*--set data\.clips="):
        refuse_other_clips(tmp_path / CLIPS_FILE, changed.reset_index(drop=True), classes)


def test_a_missing_or_damaged_table_is_named(tmp_path):
    with pytest.raises(ClnormError, match=r"clips\.parquet: cannot be read"):
        refuse_other_clips(tmp_path / CLIPS_FILE, FRAME, CLASSES)
    write_clips(tmp_path, FRAME, CLASSES)
    content = bytearray((tmp_path / CLIPS_FILE).read_bytes())
    content[20] ^= 1
    (tmp_path / CLIPS_FILE).write_bytes(content)
    with pytest.raises(ClnormError, match=r"clips\.parquet: cannot be read"):
        refuse_other_clips(tmp_path / CLIPS_FILE, FRAME, CLASSES)


def test_an_empty_path_is_none_where_one_may_be_left_out():
    assert load_config(None, ["data.clips="]).data.clips is None
    with pytest.raises(UserError, match="out: a path is needed"):
        load_config(None, ["out="])


@pytest.mark.slow
def test_a_run_is_made_again_from_its_folder_or_refused(tiny, tmp_path):
    config = tiny()
    record = clnorm.run(config)
    folder = tmp_path / "moved"
    shutil.copytree(tmp_path / "runs" / record.run, folder)
    clips = pd.read_parquet(folder / CLIPS_FILE)
    assert list(clips["class"].unique()) == record.classes
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert (clips["label"][predictions["clip"]].to_numpy() == predictions["label"]).all()
    again = load_config(folder / "config.yaml")
    assert again.data.clips == str(folder / CLIPS_FILE)
    assert clnorm.run(again).run == record.run
    other = load_config(folder / "config.yaml", {"dataset": "synthetic:classes=4,train=4,test=3"})
    with pytest.raises(UserError, match=r"4 new|missing"):
        clnorm.run(other)
    assert clnorm.run(load_config(folder / "config.yaml", {"dataset": str(other.dataset), "data.clips": ""}))


@pytest.mark.slow
def test_a_state_that_a_kill_left_beside_a_finished_record_is_removed_at_the_next_look(tiny, tmp_path):
    config = tiny()
    state = tmp_path / "runs" / clnorm.run(config).run / "state.pt"
    state.write_bytes(b"left")
    clnorm.run(config)
    assert not state.exists()


@pytest.fixture
def videos(tmp_path):
    """Real videos of four classes, from two sources each, without any list."""
    from clnorm.data.synthetic.reader import read

    table = read(None, classes=4, train=4, test=2)
    for path, label in zip(table.paths(), table.labels, strict=True):
        folder = tmp_path / "videos" / table.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"take {len(list(folder.iterdir()))}.avi")
    return tmp_path


@pytest.mark.slow
def test_a_run_keeps_what_auto_was_under_the_id_that_it_has_with_auto(tiny, videos, monkeypatch):
    config = tiny(dataset="folder", data__root=str(videos), train__epochs=1)
    record = clnorm.run(config)
    table = config.dataset.build(videos)
    assert record.run == run_name(config, data=table.fingerprint), "ids of earlier runs stay"
    assert (record.data["sources"], record.names["dataset"]) == ("unknown", "folder")
    kept = load_config(videos / "runs" / record.run / "config.yaml")
    assert kept.dataset.short == "folder:group=name,test_share=0.3,split_seed=0"
    monkeypatch.setattr("clnorm.experiment._execute", lambda *parts: pytest.fail("another run", pytrace=False))
    by_hand = load_config(videos / "runs" / record.run / "config.yaml", {"data.clips": ""})
    for same in (kept, by_hand):
        assert clnorm.run(same) == record
    other = load_config(None, {**flatten(kept.to_dict()), "dataset": "folder:split_seed=1", "data.clips": ""})
    with pytest.raises(pytest.fail.Exception, match="another run"):
        clnorm.run(other)


@pytest.mark.slow
def test_known_sources_are_counted_in_the_record(tiny, videos):
    record = clnorm.run(tiny(dataset="folder:group=prefix", data__root=str(name_sources(videos)), train__epochs=1))
    assert record.data["sources"] == 8
    kept = load_config(videos / "runs" / record.run / "config.yaml")
    assert kept.dataset.short == "folder:group=prefix,test_share=0.3,split_seed=0"
    # A list that says the same later changes nothing; one that says something else is refused.
    clips = pd.read_parquet(videos / "runs" / record.run / CLIPS_FILE).drop(columns=["id", "label"])
    clips = clips.rename(columns={"class": "label"})
    write_clip_list(videos, clips)
    assert clnorm.run(kept) == record
    write_clip_list(videos, clips.assign(group=clips["path"]))
    with pytest.raises(UserError, match=r"group=prefix, but clips\.csv has other groups"):
        clnorm.run(kept)


def name_sources(root):
    """The names of each class's videos, so that they state two sources."""
    for folder in (root / "videos").iterdir():
        for index, path in enumerate(sorted(folder.iterdir())):
            path.rename(folder / f"{folder.name}-{index % 2}_{index}.avi")
    return root
