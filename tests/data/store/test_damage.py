"""Builds that were stopped go on, and what is damaged is found and never used."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from clnorm.data.store import build
from clnorm.data.store.decode import read_clip
from clnorm.data.store.store import ClipStore
from clnorm.errors import ClnormError


def open_in_process(root: Path, code: str) -> subprocess.Popen[str]:
    """Open the store of `root` in another process; `code` sees `progress` called as progress(done, total)."""
    script = f"""
import os, signal, sys, time
from pathlib import Path
from clnorm.data.datasets import hmdb51
from clnorm.data.store.store import ClipStore
calls = []
def progress(done, total):
    calls.append(done)
    {code}
store = ClipStore.open(hmdb51.read(Path(sys.argv[1])), frames=4, size=8, progress=progress)
print(len(calls), int(store.gather(range(len(store))).sum()))
"""
    return subprocess.Popen([sys.executable, "-W", "error", "-c", script, str(root)], stdout=subprocess.PIPE, text=True)


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


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def cut(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


def truncate(folder: Path) -> None:
    with (folder / "frames.npy").open("r+b") as file:
        file.truncate(500)


def other_meta(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"table": "other"}))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["interrupt", "kill"])
def test_a_build_that_was_stopped_goes_on_where_it_was(table, root, stored, monkeypatch, way):
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
    assert [path.suffix for path in stored()] == [".part"]
    store, read, calls = continue_build(table, monkeypatch)
    assert (read, calls) == (["d", "e"], [3, 4, 5])
    assert store.info["header"].tolist() == [12, 5, 30, 8, 1]
    assert stored() == [store.folder]
    assert sorted(path.name for path in store.folder.iterdir()) == ["frames.npy", "info.parquet", "meta.json"]


@pytest.mark.slow
def test_two_processes_build_it_once(table, root, stored):
    """This process finds another one building, waits for it and loads what it built."""
    process = open_in_process(root, "time.sleep(0.3)")
    while not stored() and process.poll() is None:
        time.sleep(0.01)
    assert [path.suffix for path in stored()] == [".part"]
    calls: list[int] = []
    store = ClipStore.open(table, frames=4, size=8, progress=lambda done, _: calls.append(done))
    decoded, total = process.communicate()[0].split()
    assert process.returncode == 0
    assert (int(decoded), len(calls)) == (5, 0)
    assert int(total) == int(store.gather(range(5)).sum())
    assert stored() == [store.folder]


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
def test_what_a_crash_left_unwhole_is_decoded_again(table, stored, monkeypatch, damage, decoded):
    def stop(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ClipStore.open(table, frames=4, size=8, progress=stop)
    damage(stored()[0])
    assert continue_build(table, monkeypatch)[1] == list(decoded)


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


def test_a_store_that_is_cut_while_a_run_reads_it_is_an_error(table):
    """A memory map read beyond the end of its file would kill the process."""
    store = ClipStore.open(table, frames=4, size=8)
    store.gather([0, 1])
    with (store.folder / "frames.npy").open("r+b") as file:
        file.truncate(300)
    for clips in ([0], [2]):
        with pytest.raises(ClnormError, match="the file of frames was cut from 3392 to 300 bytes; delete this folder"):
            store.gather(clips)
