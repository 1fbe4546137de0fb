"""Tiny video files and datasets laid out like HMDB51, made for a test."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

WriteVideo = Callable[..., Path]


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
