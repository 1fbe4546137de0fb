"""Five small clips, and the stores that are built of them in a cache of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clnorm.data.datasets import hmdb51
from clnorm.data.table import ClipTable

CLIPS = {"dive": {"a": 12, "b": 5, "c": 30}, "wave": {"d": 8, "e": 1}}


def name_clip(source: str, folder: str) -> str:
    return f"{source}_{folder}_f_cm_np1_le_bad_0.avi"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def clip_name() -> Callable[[str, str], str]:
    """The file's name of a clip, from its source and its class."""
    return name_clip


@pytest.fixture
def root(tmp_path, write_layout, write_video) -> Path:
    """Five clips of 12, 5, 30, 8 and 1 frames, in the order of their ids."""
    listed = {folder: dict.fromkeys((name_clip(s, folder) for s in clips), 1) for folder, clips in CLIPS.items()}
    root = write_layout(tmp_path / "data", listed)
    for folder, clips in CLIPS.items():
        for source, frames in clips.items():
            levels = [(ord(source) * 37 + 7 * k) % 256 for k in range(frames)]
            write_video(root / "videos" / folder / name_clip(source, folder), levels)
    return root


@pytest.fixture
def table(root) -> ClipTable:
    return hmdb51.read(root)


@pytest.fixture
def spoil(root) -> Callable[..., ClipTable]:
    """Makes the clips of these sources undecodable, and reads the table anew."""

    def write(*sources: str) -> ClipTable:
        for source in sources:
            path = next(root.glob(f"videos/*/{source}_*"))
            path.write_text("no video")
        return hmdb51.read(root)

    return write


@pytest.fixture
def stored(cache) -> Callable[[], list[Path]]:
    """Lists everything the cache holds but locks."""

    def find() -> list[Path]:
        return [path for path in cache.glob("stores/*") if path.suffix != ".lock"]

    return find
