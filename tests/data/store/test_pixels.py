"""Batches are the same bit for bit whether a store, a device or the files themselves give them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from clnorm.data.store import build, decode, pixels
from clnorm.data.store.build import BadClipsError
from clnorm.data.store.decode import read_clip
from clnorm.data.store.device import keep_on_device
from clnorm.data.store.pixels import DevicePixels
from clnorm.data.store.store import ClipStore
from clnorm.data.store.video import DecodeError
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError, UserError

FRAMES = {"a # & [b].avi": 12, "c ( ) ; !.avi": 3, "é 视频.avi": 9, "d.avi": 20}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def table(tmp_path, write_video) -> ClipTable:
    rows = []
    for name, frames in FRAMES.items():
        path = write_video(tmp_path / "clips" / name, [(60 * len(rows) + 11 * k) % 256 for k in range(frames)])
        rows.append({"path": name, "label": 0, "split": "train", "group": name, "bytes": path.stat().st_size})
    return ClipTable("names", tmp_path / "clips", ("one",), pd.DataFrame(rows))


def open_store(table, **options) -> ClipStore:
    return ClipStore.open(table, frames=4, size=8, **options)


def on_device(store: ClipStore) -> ClipStore:
    return ClipStore(store.folder, store.info, store.frames, store.size, DevicePixels(store.pixels, CPU))


@pytest.mark.parametrize("keep", ["T", "2T", "all"])
@pytest.mark.parametrize("other", ["device", "none"])
def test_the_same_batches_from_everywhere(table, keep, other, monkeypatch):
    monkeypatch.setattr(pixels, "_PIECE", 5)
    monkeypatch.setattr(pixels, "TRIM_EVERY", 3)
    store = open_store(table, keep=keep)
    compared = on_device(store) if other == "device" else open_store(table, keep=keep, cache="none")
    assert compared.kept.tolist() == store.kept.tolist()
    draws = np.random.default_rng(0).random((4, 4), dtype=np.float32)
    for ids in ([0, 1, 2, 3], [2, 2, 1], [3], []):
        for drawn in (None, draws[ids]):
            batch = compared.gather(ids, draws=drawn)
            assert batch.dtype == torch.uint8
            assert torch.equal(batch, store.gather(ids, draws=drawn))
    assert store.gather([0, 1, 2, 3]).float().std(dim=0).min() > 0


def test_a_device_takes_no_damaged_clip(table):
    store = open_store(table)
    with (store.folder / "frames.npy").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)[0]
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    with pytest.raises(ClnormError, match="clip 3 has another checksum"):
        on_device(open_store(table))


def test_without_a_store_no_pixels_are_kept_and_clips_are_probed_once(table, monkeypatch):
    store = open_store(table, cache="none")
    assert (store.folder / "frames.npy").stat().st_size == 128
    assert store.folder != open_store(table).folder
    monkeypatch.setattr(build, "read_clip", None)
    assert torch.equal(open_store(table, cache="none").gather([1]), store.gather([1]))


def test_without_a_store_bad_clips_are_known_beforehand(table):
    path = table.paths()[1]
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(BadClipsError, match=r"1 of 4 clips cannot be decoded \(c \( \) ; !.avi"):
        open_store(table, cache="none")
    store = open_store(table, cache="none", skip_bad=True)
    assert list(store.bad) == [1]
    with pytest.raises(ClnormError, match="clip 1 is a bad one"):
        store.gather([1])


def test_a_file_that_changes_during_a_run_without_a_store(table):
    store = open_store(table, cache="none")
    path = table.paths()[0]
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(DecodeError, match="it has changed since the run began"):
        store.gather([0])


@pytest.mark.parametrize(
    ("choice", "device", "free", "kept"),
    [
        (False, "cuda", 1e9, False),
        ("auto", "cpu", 1e9, False),
        ("auto", "cuda", 6000, True),
        ("auto", "cuda", 5000, False),
        (True, "cuda", 3000, True),
    ],
)
def test_a_store_goes_to_the_device_where_it_fits(table, monkeypatch, choice, device, free, kept):
    """It has 15 frames of 192 bytes, 2,880 in all, which `auto` wants twice."""
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (free, 1e9))
    monkeypatch.setattr("clnorm.data.store.device.DevicePixels", lambda mapped, device: device)
    store = open_store(table)
    assert store.nbytes == 2880
    chosen = keep_on_device(store, choice, device=torch.device(device))
    assert (chosen.pixels == torch.device(device)) == kept
    assert kept or chosen is store


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (
            "cuda",
            "data.device_cache: the clips take 0.00 GB, and 0.00 GB of cuda are free; use --set data.device_cache",
        ),
        ("cpu", "data.device_cache: a CPU reads the store's memory map, .*; legal: auto, false"),
    ],
)
def test_a_store_that_cannot_be_kept_on_the_device(table, monkeypatch, device, message):
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (2000, 1e9))
    with pytest.raises(UserError, match=message):
        keep_on_device(open_store(table), True, device=torch.device(device))


def test_a_gpu_decodes_where_there_is_one(table, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for call in (
        lambda: open_store(table, decoder="cuda"),
        lambda: read_clip(table.paths()[0], frames=4, size=8, decoder="cuda"),
    ):
        with pytest.raises(
            UserError, match=r"data.decoder: there is no CUDA device to decode on; use data.decoder=cpu"
        ):
            call()
    asked = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torchcodec.decoders.VideoDecoder", lambda *args, device, **rest: asked.append(device) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        decode.read_clip(table.paths()[0], frames=4, size=8, decoder="cuda")
    assert asked == ["cuda"]


def test_each_decoder_has_a_store_of_its_own(table, monkeypatch):
    """Here the same clips, since what the GPU would decode is decoded by the CPU."""
    monkeypatch.setattr(build, "require_decoder", lambda decoder: None)
    plain = build.read_clip
    monkeypatch.setattr(build, "read_clip", lambda path, decoder, **rest: plain(path, **rest))
    assert open_store(table, decoder="cuda").folder != open_store(table).folder
