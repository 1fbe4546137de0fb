"""The synthetic dataset: moving shapes in real video files, laid out as HMDB51 is and read by HMDB51's reader.

It is made once for each choice of options, in a folder of the cache that appears only when it is complete.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from clnorm.data.datasets import hmdb51
from clnorm.data.synthetic.plan import SPLITS, File, Options, plan_clips, plan_split
from clnorm.data.synthetic.render import FPS, render
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError, UserError
from clnorm.files import cache_dir, new_file, sync_folder

VERSION = 1
"""Counts the changes of the generator that change its clips; the folder's name depends on it."""

Progress = Callable[[int, int], None]


def read(
    root: Path | None,
    *,
    classes: int = 10,
    train: int = 50,
    test: int = 20,
    cues: str = "both",
    imbalance: float = 1.0,
    variant: int = 0,
    progress: Progress | None = None,
) -> ClipTable:
    """The synthetic dataset with these options: split 1 of it, made now unless it lies in the cache already.

    Args:
        root: None, since it reads no folder of the user's.
        classes: number of classes, the most distinct ones first.
        train: training clips of the largest class.
        test: test clips of every class.
        cues: what tells classes apart: `motion`, `shape` or `both`; what does not is drawn anew for every clip.
            `direction` is `motion` with pairs only: classes 2k and 2k + 1 are each other's reversal in time.
        imbalance: largest over smallest class in training, falling geometrically; test clips stay balanced.
        variant: seed of everything that is drawn.
        progress: called with the number of clips made and of all.

    Raises:
        UserError: a root is given, or an option is out of its range.
        ClnormError: FFmpeg is missing, or a clip cannot be encoded or written.
    """
    _refuse_root(root)
    options = Options(classes=classes, train=train, test=test, cues=cues, imbalance=imbalance, variant=variant)
    return replace(hmdb51.read(_ensure(options, progress)), name="synthetic")


def list_clips(root: Path | None, **chosen: Any) -> ClipTable:
    """The clips that `read` gives with these options, in the same order, without making them; their sizes are 0.

    Raises:
        UserError: as `read`.
    """
    _refuse_root(root)
    options = Options(**chosen)
    files = plan_clips(options)
    tests = plan_split(options, files, split=1)
    rows = [
        (file.label, f"{file.label}/{file.name}", file.source, "test" if test else "train")
        for file, test in zip(files, tests, strict=True)
    ]
    frame = pd.DataFrame(sorted(rows), columns=["class", "path", "group", "split"])
    classes = sorted(frame["class"].unique().tolist())
    labels = pd.Categorical(frame["class"], categories=classes).codes.astype(np.int64)
    return ClipTable("synthetic", Path(), tuple(classes), frame.assign(label=labels, bytes=np.int64(0)))


def is_made(**chosen: Any) -> bool:
    """Whether the clips of these options lie in the cache."""
    return _folder(Options(**chosen)).is_dir()


def _refuse_root(root: Path | None) -> None:
    if root is not None:
        raise UserError(
            f"the dataset synthetic makes its own clips and cannot read {str(root)!r}",
            where="data.root",
            hint="leave --data-root out, or choose --dataset hmdb51",
        )


def _folder(options: Options) -> Path:
    identity = json.dumps({**asdict(options), "version": VERSION}, sort_keys=True)
    return cache_dir() / "synthetic" / hashlib.sha256(identity.encode()).hexdigest()[:16]


def _ensure(options: Options, progress: Progress | None) -> Path:
    """The folder of the dataset, made if need be."""
    folder = _folder(options)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            try:
                _write(unfinished, options, progress)
            except OSError as error:
                raise ClnormError(f"cannot write: {error.strerror}", where=str(unfinished)) from error
            unfinished.replace(folder)
            sync_folder(folder.parent)
    return folder


def _write(folder: Path, options: Options, progress: Progress | None) -> None:
    """Write split files, then clips, each of them on the disk on return."""
    from clnorm.environment import require_ffmpeg

    require_ffmpeg()
    files = plan_clips(options)
    labels = dict.fromkeys(file.label for file in files)
    for path in (folder / "splits", *(folder / "videos" / label for label in labels)):
        path.mkdir(parents=True)
    for split in SPLITS:
        tests = plan_split(options, files, split=split)
        for label in labels:
            lines = [
                f"{f.name} {2 if test else 1} \n" for f, test in zip(files, tests, strict=True) if f.label == label
            ]
            with new_file(folder / "splits" / f"{label}_test_split{split}.txt") as file:
                file.write("".join(lines).encode())
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        done = as_completed([pool.submit(_write_clip, folder / "videos", file) for file in files])
        for count, future in enumerate(done, 1):
            future.result()
            if progress is not None:
                progress(count, len(files))
    finally:
        pool.shutdown(cancel_futures=True)
    for path in sorted(p for p in folder.rglob("*") if p.is_dir()):
        sync_folder(path)
    sync_folder(folder)


def _write_clip(videos: Path, file: File) -> None:
    import torch
    from torchcodec.encoders import VideoEncoder

    # FFmpeg's own encoder, in every build of it; without B-frames, whose order AVI does not tell a decoder.
    encoder = VideoEncoder(torch.from_numpy(render(file.clip, file.look)), frame_rate=FPS)
    try:
        encoded = encoder.to_tensor("avi", codec="mpeg4", extra_options={"b": "2000000", "bf": "0"})
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise ClnormError(f"FFmpeg cannot encode: {reason}", where=file.name, hint="see: clnorm doctor") from error
    with new_file(videos / file.label / file.name) as target:
        target.write(encoded.numpy().tobytes())
