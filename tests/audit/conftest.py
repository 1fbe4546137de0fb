"""Datasets made in memory for the audit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from clnorm.audit.dataset import Subject
from clnorm.audit.measures import measure_store
from clnorm.data.store.store import ClipStore
from clnorm.data.table import ClipTable

SIZE, FRAMES = 28, 4


class ArrayPixels:
    """A store's pixels from an array (n, T, 3, H, W) uint8."""

    def __init__(self, clips: np.ndarray) -> None:
        self.clips = clips

    def take(self, clips: np.ndarray, shown: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.clips[clips[:, None], shown])


@pytest.fixture
def random_clips() -> Callable[..., np.ndarray]:
    """(n, 4, 3, 28, 28) uint8 of clips that have nothing to do with each other: noise in blocks of 4 x 4 pixels."""

    def build(count: int, *, seed: int = 0, low: int = 60, high: int = 180) -> np.ndarray:
        blocks = np.random.default_rng(seed).integers(low, high, (count, FRAMES, 3, SIZE // 4, SIZE // 4))
        return np.kron(blocks, np.ones((4, 4), dtype=np.int64)).astype(np.uint8)

    return build


@pytest.fixture
def make_subject() -> Callable[..., Subject]:
    """A dataset of these pixels, each clip a source of its own unless told; `bad` are ids that cannot be decoded."""

    def build(clips, labels, splits, *, groups=None, experiences=(), no_stream="", bad=(), decoded=FRAMES, **columns):
        clips = np.asarray(clips, dtype=np.uint8)
        count = len(clips)
        labels = np.asarray(labels, dtype=np.int64)
        classes = tuple(f"class{label}" for label in range(labels.max() + 1))
        frame = pd.DataFrame(
            {
                "path": [f"{classes[label]}/{clip}.avi" for clip, label in enumerate(labels.tolist())],
                "label": labels,
                "split": list(splits),
                "group": [str(g) for g in (groups if groups is not None else range(count))],
                "bytes": np.ones(count, dtype=np.int64),
                **columns,
            }
        )
        info = pd.DataFrame(
            {
                "decoded": decoded,
                "kept": FRAMES,
                "header": pd.array([FRAMES] * count, dtype="Int64"),
                "reason": "",
                "uneven": False,
            },
            index=range(count),
        )
        for clip in bad:
            info.loc[clip, ["decoded", "reason"]] = [0, "spoilt"]
        store = ClipStore(Path("/nowhere"), info, FRAMES, clips.shape[-1], ArrayPixels(clips))
        table = ClipTable("made", Path("/nowhere"), classes, frame)
        return Subject(table, store, measure_store(store), tuple(experiences), no_stream, 0)

    return build


@pytest.fixture
def clean(random_clips, make_subject) -> Callable[..., Subject]:
    """Three classes of ten training and six test clips without any relation but the sources, of two clips each."""

    def build(change=None, **changes) -> Subject:
        labels = np.repeat(np.arange(3), 16)
        splits = (["train"] * 10 + ["test"] * 6) * 3
        groups = np.arange(48) // 2
        clips = random_clips(48)
        if change is not None:
            clips = change(clips, np.array(splits))
        options = {"groups": groups, "experiences": ((2,), (0,), (1,)), **changes}
        return make_subject(clips, options.pop("labels", labels), options.pop("splits", splits), **options)

    return build
