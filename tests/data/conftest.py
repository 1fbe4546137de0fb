"""Tiny video files, archives and datasets laid out like HMDB51, made for a test."""

import shutil
import stat
import struct
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

WriteVideo = Callable[..., Path]
STORED, COMPRESSED, SOLID, ENCRYPTED = 0x30, 0x33, 0x0008, 0x0004


@pytest.fixture(scope="session")
def write_video() -> WriteVideo:
    """Writes an .avi of uniformly grey frames, of the levels given: frame k is recognised by its brightness."""
    import torch
    from torchcodec.encoders import VideoEncoder

    def write(path: Path, levels: list[int], *, height: int = 24, width: int = 32) -> Path:
        frames = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, height, width)
        path.parent.mkdir(parents=True, exist_ok=True)
        VideoEncoder(frames.contiguous(), frame_rate=30).to_file(path, codec="mpeg4")
        return path

    return write


@pytest.fixture(scope="session")
def write_layout() -> Callable[[Path, Mapping[str, Mapping[str, int]]], Path]:
    """Writes class folders with clips of one byte and their split files: {class: {clip name: flag}}."""

    def write(root: Path, classes: Mapping[str, Mapping[str, int]]) -> Path:
        (root / "splits").mkdir(parents=True)
        for folder, clips in classes.items():
            (root / "videos" / folder).mkdir(parents=True)
            for clip in clips:
                (root / "videos" / folder / clip).write_bytes(b"x")
            lines = [f"{clip} {flag} \n" for clip, flag in clips.items()]
            (root / "splits" / f"{folder}_test_split1.txt").write_text("".join(lines))
        return root

    return write


@pytest.fixture(scope="session")
def official(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 51 classes of HMDB51 with their official split files and clips of one byte."""
    root = tmp_path_factory.mktemp("official")
    shutil.copytree(shared_data / "data" / "hmdb51_splits", root / "splits")
    for file in (root / "splits").glob("*_test_split1.txt"):
        folder = root / "videos" / file.name.removesuffix("_test_split1.txt")
        folder.mkdir(parents=True)
        for line in file.read_text().splitlines():
            (folder / line.split()[0]).write_bytes(b"x")
    return root


@pytest.fixture(scope="session")
def make_rar() -> Callable[..., bytes]:
    """Makes a RAR archive by hand, because nothing free writes them: version 4, files stored without compression.

    The blocks are those of the format's published technical note: a 2-byte CRC of the header, its type, flags and
    size, then its fields, then the file's bytes. Any name is taken as it is. `compressed` and `encrypted` claim
    that the bytes are.
    """

    def make(
        files: Mapping[str, bytes],
        *,
        links: Mapping[str, str] | None = None,
        encrypted: Collection[str] = (),
        solid: bool = False,
        compressed: bool = False,
    ) -> bytes:
        method = COMPRESSED if compressed else STORED
        data = b"Rar!\x1a\x07\x00" + _rar_block(0x73, SOLID if solid else 0, struct.pack("<HI", 0, 0))
        for name, content in files.items():
            flags = ENCRYPTED * (name in encrypted)
            data += _rar_entry(name, content, mode=stat.S_IFREG | 0o644, method=method, flags=flags)
        for name, target in (links or {}).items():
            data += _rar_entry(name, target.encode(), mode=stat.S_IFLNK | 0o777, method=STORED)
        return data + _rar_block(0x7B, 0x4000, b"")

    return make


def _rar_entry(name: str, content: bytes, *, mode: int, method: int, flags: int = 0) -> bytes:
    encoded, unix, version, time = name.encode(), 3, 29, 0x21 << 16
    sizes = (len(content), len(content))
    fields = struct.pack("<IIBIIBBHI", *sizes, unix, zlib.crc32(content), time, version, method, len(encoded), mode)
    return _rar_block(0x74, 0x8000 | 0x0200 | flags, fields + encoded) + content


def _rar_block(kind: int, flags: int, fields: bytes) -> bytes:
    header = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
    return struct.pack("<H", zlib.crc32(header) & 0xFFFF) + header
