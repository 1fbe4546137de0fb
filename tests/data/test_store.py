"""ClipStore: decoded once, complete or not at all, never with a bad clip unsaid."""

import errno
import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from clnorm.data import build, decode, hmdb51
from clnorm.data.build import BadClipsError
from clnorm.data.decode import read_clip, sample_indices
from clnorm.data.store import ClipStore
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError

CLIPS = {"dive": {"a": 12, "b": 5, "c": 30}, "wave": {"d": 8, "e": 1}}


def clip_name(source: str, folder: str) -> str:
    return f"{source}_{folder}_f_cm_np1_le_bad_0.avi"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path, write_layout, write_video) -> Path:
    """Five clips of 12, 5, 30, 8 and 1 frames, in the order of their ids."""
    listed = {folder: dict.fromkeys((clip_name(s, folder) for s in clips), 1) for folder, clips in CLIPS.items()}
    root = write_layout(tmp_path / "data", listed)
    for folder, clips in CLIPS.items():
        for source, frames in clips.items():
            levels = [(ord(source) * 37 + 7 * k) % 256 for k in range(frames)]
            write_video(root / "videos" / folder / clip_name(source, folder), levels)
    return root


@pytest.fixture
def table(root) -> ClipTable:
    return hmdb51.read(root)


def spoil(root: Path, *sources: str) -> ClipTable:
    for source in sources:
        path = next(root.glob(f"videos/*/{source}_*"))
        path.write_text("no video")
    return hmdb51.read(root)


def stored(cache: Path) -> list[Path]:
    """Everything the cache holds but locks."""
    return [path for path in cache.glob("stores/*") if path.suffix != ".lock"]


def open_in_process(root: Path, code: str) -> subprocess.Popen[str]:
    """Open the store of `root` in another process; `code` sees `progress` called as progress(done, total)."""
    script = f"""
import os, signal, sys, time
from pathlib import Path
from clnorm.data import hmdb51
from clnorm.data.store import ClipStore
calls = []
def progress(done, total):
    calls.append(done)
    {code}
store = ClipStore.open(hmdb51.read(Path(sys.argv[1])), frames=4, size=8, progress=progress)
print(len(calls), int(store.gather(range(len(store))).sum()))
"""
    return subprocess.Popen([sys.executable, "-W", "error", "-c", script, str(root)], stdout=subprocess.PIPE, text=True)


def test_gather_equals_clips_decoded_one_by_one(table):
    store = ClipStore.open(table, frames=4, size=8)
    expected = torch.stack([read_clip(path, frames=4, size=8).frames for path in table.paths()])
    assert (len(store), store.frames, store.size, store.nbytes) == (5, 4, 8, (4 + 4 + 4 + 4 + 1) * 3 * 8 * 8)
    for ids in ([0, 1, 2, 3, 4], [3, 0, 3], [2], []):
        for form in (ids, np.array(ids, dtype=np.int64), torch.tensor(ids, dtype=torch.int64)):
            batch = store.gather(form)
            assert batch.dtype == torch.uint8
            assert torch.equal(batch, expected[ids])
    assert expected.float().std(dim=0).min() > 0


def test_what_is_known_of_each_clip(table):
    store = ClipStore.open(table, frames=4, size=8)
    assert store.info["decoded"].tolist() == [12, 5, 30, 8, 1]
    assert store.info["header"].tolist() == [12, 5, 30, 8, 1]
    assert store.bad == {}
    assert store.kept.tolist() == [4, 4, 4, 4, 1]
    assert "5 x 4 x 3 x 8 x 8 uint8 of 17 frames" in repr(store)


@pytest.mark.parametrize(("keep", "kept"), [("2T", [8, 5, 8, 8, 1]), ("all", [12, 5, 30, 8, 1])])
def test_more_frames_than_are_shown(table, keep, kept):
    """The middle frames of the kept ones, and with draws those at the edges of their segments."""
    store = ClipStore.open(table, frames=4, size=8, keep=keep)
    assert store.kept.tolist() == kept
    whole = [read_clip(path, frames=None, size=8).frames for path in table.paths()]
    for ids in ([0, 1, 2, 3, 4], [4, 2, 2]):
        for draw, pick in ((None, "middle"), (0.0, "first"), (0.999, "last")):
            draws = None if draw is None else np.full((len(ids), 4), draw, dtype=np.float32)
            shown = store.gather(ids, draws=draws)
            for clip, frames in zip(ids, shown, strict=True):
                held = whole[clip][sample_indices(len(whole[clip]), frames=kept[clip])]
                assert torch.equal(frames, held[pick_frames(kept[clip], pick)])


def pick_frames(kept: int, pick: str) -> list[int]:
    if pick == "middle" or kept < 4:
        return sample_indices(kept, frames=4)
    return [i * kept // 4 if pick == "first" else (i + 1) * kept // 4 - 1 for i in range(4)]


def test_all_frames_serve_every_number_of_frames_shown(table, cache):
    folders = {ClipStore.open(table, frames=frames, size=8, keep="all").folder for frames in (2, 4)}
    folders.add(ClipStore.open(table, frames=2, size=8, keep="2T").folder)
    assert ClipStore.open(table, frames=4, size=8).folder in folders
    assert len(stored(cache)) == 2


def test_a_long_clip_is_decoded_in_pieces(tmp_path, write_video, monkeypatch):
    path = write_video(tmp_path / "long.avi", [(7 * k) % 256 for k in range(50)])
    whole = read_clip(path, frames=None, size=8).frames
    monkeypatch.setattr(decode, "_AT_ONCE", 16)
    assert whole.shape == (50, 3, 8, 8)
    assert torch.equal(read_clip(path, frames=None, size=8).frames, whole)


def test_a_batch_is_the_callers_own(table):
    store = ClipStore.open(table, frames=4, size=8)
    before = store.gather([0])
    store.gather([0]).zero_()
    assert torch.equal(store.gather([0]), before)


@pytest.mark.parametrize("ids", [[5], [-1], [0, 7]])
def test_an_id_out_of_range(table, ids):
    with pytest.raises(ClnormError, match="legal: 0 to 4"):
        ClipStore.open(table, frames=4, size=8).gather(ids)


def test_it_is_decoded_once(table, cache, monkeypatch):
    calls: list[tuple[int, int]] = []
    first = ClipStore.open(table, frames=4, size=8, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    monkeypatch.setattr(build, "read_clip", None)
    again = ClipStore.open(table, frames=4, size=8, progress=lambda done, total: calls.append((done, total)))
    assert len(calls) == 5
    assert torch.equal(first.gather([0, 4]), again.gather([0, 4]))
    assert stored(cache) == [first.folder]


def test_it_follows_the_clips_not_their_folder_or_name(table, root, cache):
    first = ClipStore.open(table, frames=4, size=8)
    root.rename(root.with_name("moved"))
    moved = hmdb51.read(root.with_name("moved"), name="other")
    assert ClipStore.open(moved, frames=4, size=8).folder == first.folder
    assert len(stored(cache)) == 1


def test_another_shape_or_table_is_another_store(table, root, write_video, cache):
    folders = {ClipStore.open(table, frames=frames, size=size).folder for frames, size in [(4, 8), (5, 8), (4, 9)]}
    write_video(root / "videos" / "dive" / clip_name("a", "dive"), [0] * 90)
    folders.add(ClipStore.open(hmdb51.read(root), frames=4, size=8).folder)
    assert set(stored(cache)) == folders
    assert len(folders) == 4


def test_more_clips_than_are_read_ahead(table, monkeypatch):
    monkeypatch.setattr(build, "_AHEAD", 1)
    monkeypatch.setattr(build, "TRIM_EVERY", 2)
    batch = ClipStore.open(table, frames=4, size=8, workers=3).gather(range(5))
    assert torch.equal(batch, torch.stack([read_clip(path, frames=4, size=8).frames for path in table.paths()]))


def test_bad_clips_are_all_found_and_named(root, cache):
    table = spoil(root, "b", "d")
    calls: list[int] = []
    with pytest.raises(BadClipsError) as error:
        ClipStore.open(table, frames=4, size=8, progress=lambda done, _: calls.append(done))
    message = str(error.value)
    assert f"{root}: 2 of 5 clips cannot be decoded" in message
    assert f"videos/dive/{clip_name('b', 'dive')}: no frame of video can be found in it" in message
    assert f"videos/wave/{clip_name('d', 'wave')}: no frame of video" in message
    assert "--set data.skip_bad=true" in message
    assert len(calls) == 5
    assert stored(cache) == []


def test_of_many_bad_clips_the_first_are_named(root):
    with pytest.raises(BadClipsError, match=r"4 of 5 .*/a_dive.*; .*/b_dive.*; .*/c_dive.*; and 1 more\)"):
        ClipStore.open(spoil(root, "a", "b", "c", "d"), frames=4, size=8)


def test_bad_clips_can_be_skipped_and_stay_known(root):
    table = spoil(root, "b", "d")
    for _ in range(2):  # built, then loaded
        store = ClipStore.open(table, frames=4, size=8, skip_bad=True)
        assert sorted(store.bad) == [1, 3]
        assert store.bad[1].startswith("no frame of video can be found in it")
        assert store.info["decoded"].tolist() == [12, 0, 30, 0, 1]
        assert store.info["header"].isna().tolist() == [False, True, False, True, False]
        assert torch.equal(store.gather([2])[0], read_clip(table.paths()[2], frames=4, size=8).frames)
        with pytest.raises(ClnormError, match="clip 3 is a bad one and has no pixels: no frame"):
            store.gather([0, 3])


def test_a_store_with_skipped_clips_is_no_store_without(root):
    table = spoil(root, "b")
    store = ClipStore.open(table, frames=4, size=8, skip_bad=True)
    with pytest.raises(BadClipsError, match=f"skip_bad=true, or mend them and delete {store.folder}"):
        ClipStore.open(table, frames=4, size=8)


def test_not_every_clip_can_be_skipped(root, cache):
    with pytest.raises(BadClipsError, match="5 of 5 clips cannot be decoded"):
        ClipStore.open(spoil(root, *"abcde"), frames=4, size=8, skip_bad=True)
    assert stored(cache) == []


def test_a_clip_that_went_missing_is_a_bad_one(table):
    table.paths()[4].unlink()
    assert ClipStore.open(table, frames=4, size=8, skip_bad=True).bad == {4: "No such file or directory"}


def test_a_clip_that_changed_after_it_was_listed_is_a_bad_one(table, write_video):
    path = table.paths()[1]
    before = path.stat().st_size
    after = write_video(path, [0] * 40).stat().st_size
    with pytest.raises(
        BadClipsError, match=f"b_dive.*: it has changed since it was listed, from {before} to {after} bytes"
    ):
        ClipStore.open(table, frames=4, size=8)


def truncate(folder: Path) -> None:
    with (folder / "frames.npy").open("r+b") as file:
        file.truncate(500)


def other_meta(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"table": "other"}))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        other_meta,
        lambda folder: (folder / "meta.json").write_text("{"),
        lambda folder: (folder / "meta.json").unlink(),
        lambda folder: (folder / "frames.npy").write_bytes(b""),
        lambda folder: np.save(folder / "frames.npy", np.zeros((17, 3, 8, 7), dtype=np.uint8)),
        lambda folder: np.save(folder / "frames.npy", np.zeros((17, 3, 8, 8), dtype=np.int8)),
        lambda folder: (folder / "info.parquet").write_bytes(b"PAR1"),
        lambda folder: flip(folder / "info.parquet", 40),
    ],
)
def test_a_damaged_store_is_named_and_not_used(table, damage):
    folder = ClipStore.open(table, frames=4, size=8).folder
    damage(folder)
    with pytest.raises(ClnormError, match=f"{folder}: the decoded clips are damaged: .*; delete this folder"):
        ClipStore.open(table, frames=4, size=8)


def test_too_little_room_is_seen_beforehand(table, cache, monkeypatch):
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(
        ClnormError, match=r"they need 0.00 GB and 0.00 GB are free; free some room, or set CLNORM_CACHE"
    ):
        ClipStore.open(table, frames=4, size=8)
    assert stored(cache) == []


def test_a_disk_that_fills_up_leaves_nothing(table, cache, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ClnormError, match="cannot write the decoded clips: No space left on device"):
        ClipStore.open(table, frames=4, size=8)
    assert stored(cache) == []


def test_a_disk_without_room_is_an_error_while_writing(table, cache):
    """The process may write no file beyond 2,000 bytes, of 3,264."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(ClnormError, match="cannot write the decoded clips: File too large; free some room"):
            ClipStore.open(table, frames=4, size=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert stored(cache) == []


def continue_build(table, monkeypatch) -> tuple[ClipStore, list[str], list[int]]:
    """The store, which clips were decoded for it, and the progress told."""
    read, calls = [], []
    monkeypatch.setattr(
        build, "read_clip", lambda path, **shape: (read.append(path.name[0]), read_clip(path, **shape))[1]
    )
    store = ClipStore.open(table, frames=4, size=8, progress=lambda done, _: calls.append(done), workers=1)
    expected = [read_clip(path, frames=4, size=8).frames for path in table.paths()]
    assert torch.equal(store.gather(range(5)), torch.stack(expected))
    return store, read, calls


@pytest.mark.parametrize("way", ["interrupt", "kill"])
def test_a_build_that_was_stopped_goes_on_where_it_was(table, root, cache, monkeypatch, way):
    if way == "kill":
        process = open_in_process(root, "if done == 3: os.kill(os.getpid(), signal.SIGKILL)")
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
    else:

        def interrupt(done: int, _: int) -> None:
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ClipStore.open(table, frames=4, size=8, progress=interrupt)
    assert [path.suffix for path in stored(cache)] == [".part"]
    store, read, calls = continue_build(table, monkeypatch)
    assert (read, calls) == (["d", "e"], [3, 4, 5])
    assert store.info["header"].tolist() == [12, 5, 30, 8, 1]
    assert stored(cache) == [store.folder]
    assert sorted(path.name for path in store.folder.iterdir()) == ["frames.npy", "info.parquet", "meta.json"]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def cut(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


@pytest.mark.parametrize(
    ("damage", "decoded"),
    [
        (lambda part: cut(part / "journal.jsonl", -5), "cde"),
        (lambda part: cut(part / "frames.npy", -1), "cde"),
        (lambda part: flip(part / "frames.npy", 128 + 768 + 5), "bcde"),
        (lambda part: flip(part / "frames.npy", 128 + 5), "abcde"),
        (lambda part: (part / "meta.json").unlink(), "abcde"),
        (lambda part: (part / "meta.json").write_text("{}"), "abcde"),
    ],
)
def test_what_a_crash_left_unwhole_is_decoded_again(table, cache, monkeypatch, damage, decoded):
    def stop(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ClipStore.open(table, frames=4, size=8, progress=stop)
    damage(stored(cache)[0])
    assert continue_build(table, monkeypatch)[1] == list(decoded)


@pytest.mark.parametrize("clip", [0, 2, 4])
def test_a_flipped_bit_is_found_when_its_clip_is_read(table, clip):
    folder = ClipStore.open(table, frames=4, size=8).folder
    flip(folder / "frames.npy", 128 + clip * 768 + 100)
    store = ClipStore.open(table, frames=4, size=8)
    store.gather([other for other in range(5) if other != clip])
    for _ in range(2):
        with pytest.raises(
            ClnormError, match=f"{folder}: the decoded clips are damaged: clip {clip} has another checksum"
        ):
            store.gather([1, clip])


def test_two_processes_build_it_once(table, root, cache):
    """This process finds another one building, waits for it and loads what it built."""
    process = open_in_process(root, "time.sleep(0.3)")
    while not stored(cache) and process.poll() is None:
        time.sleep(0.01)
    assert [path.suffix for path in stored(cache)] == [".part"]
    calls: list[int] = []
    store = ClipStore.open(table, frames=4, size=8, progress=lambda done, _: calls.append(done))
    decoded, total = process.communicate()[0].split()
    assert process.returncode == 0
    assert (int(decoded), len(calls)) == (5, 0)
    assert int(total) == int(store.gather(range(5)).sum())
    assert stored(cache) == [store.folder]


def test_real_clips(shared_data):
    """The first clip of each of 21 classes, whose headers all claim frames that are not there."""
    whole = hmdb51.read(shared_data / "data" / "hmdb21")
    frame = whole.frame.groupby("label").head(1).reset_index(drop=True)
    store = ClipStore.open(ClipTable("part", whole.root, whole.classes, frame), frames=16, size=32)
    assert store.gather(range(21)).shape == (21, 16, 3, 32, 32)
    assert (store.info["decoded"] < store.info["header"]).all()
    assert store.bad == {}
