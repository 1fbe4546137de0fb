"""A configuration's clips: the table of its dataset, and the store that holds them decoded."""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.catalogue import DATASETS
from clnorm.catalogue.registry import format_spec
from clnorm.config.config import Config
from clnorm.progress import Reporter, count_steps

if TYPE_CHECKING:
    from clnorm.data.store.store import ClipStore
    from clnorm.data.table import ClipTable


def read_table(config: Config, reporter: Reporter) -> "ClipTable":
    """The clips of the configuration's dataset."""
    root = Path(config.data.root).expanduser() if config.data.root is not None else None
    with count_steps(reporter, "making clips") as progress:
        table: ClipTable = config.dataset.build(root, progress=progress)
    return table


def decide_automatic(config: Config, table: "ClipTable") -> Config:
    """The configuration with what `auto` stands for in the options of its dataset, where no list decides that."""
    asked = {key for key, value in config.dataset.options if value == "auto"} - table.listed
    return _with_options(config, {key: value for key, value in table.automatic.items() if key in asked})


def leave_automatic(config: Config, table: "ClipTable") -> Config:
    """The configuration with `auto` for what that stands for: what decides the run's id is the same either way."""
    kwargs = config.dataset.kwargs
    return _with_options(config, {key: "auto" for key, value in table.automatic.items() if kwargs[key] == value})


def _with_options(config: Config, options: dict[str, Any]) -> Config:
    if not options:
        return config
    text = format_spec(config.dataset.name, config.dataset.kwargs | options)
    return replace(config, dataset=DATASETS.parse(text))


def _store_shape(config: Config) -> dict[str, Any]:
    """What decides which store of a table it is."""
    data = config.data
    shape = {"frames": data.frames, "size": data.image_size, "keep": data.keep}
    return shape | {"cache": data.cache, "decoder": data.decoder}


def open_store(config: Config, table: "ClipTable", reporter: Reporter) -> "ClipStore":
    """The clips decoded as the configuration says."""
    from clnorm.data.store.store import ClipStore

    with count_steps(reporter, "decoding") as progress:
        store = ClipStore.open(
            table,
            **_store_shape(config),
            skip_bad=config.data.skip_bad,
            workers=config.data.workers,
            progress=progress,
            note=reporter.note,
        )
    if store.bad:
        reporter.note(f"{len(store.bad)} clips cannot be decoded and are left out; they stand by name in the results.")
    return store


@dataclass(frozen=True)
class Decoding:
    """What decoding the clips of a table takes: nothing where their store is there.

    Args:
        seconds: by the time of a few clips.
        disk_bytes: of the store.
    """

    seconds: float
    disk_bytes: int


def estimate_decoding(config: Config, table: "ClipTable", *, clips: int = 8) -> Decoding:
    """Decode a few clips, as evenly spread as can be, where a store would have to be made."""
    from clnorm.data.store import naming
    from clnorm.data.store.decode import read_clip

    data, meta = config.data, naming.describe_store(table, **_store_shape(config))
    if naming.locate_store(meta).exists():
        return Decoding(0.0, 0)
    paths, began, frames = table.paths(), time.perf_counter(), 0
    chosen = paths[:: max(len(paths) // clips, 1)][:clips]
    for path in chosen:
        frames += len(read_clip(path, frames=meta["limit"], size=data.image_size, decoder=data.decoder).frames)
    scale = len(paths) / len(chosen)
    workers = min(data.workers, len(os.sched_getaffinity(0)))
    size = int(frames * scale) * 3 * data.image_size**2 if meta["pixels"] else 0
    return Decoding((time.perf_counter() - began) * scale / workers, size)


def present_content(config: Config, table: "ClipTable") -> str | None:
    """The hash of what the clips of a table hold now; None where there is no store of them to compare with."""
    from clnorm.data.store import naming

    meta = naming.describe_store(table, **_store_shape(config))
    return naming.present_content(meta, table, workers=config.data.workers)


def has_store(config: Config, table: "ClipTable") -> bool:
    """Whether the clips of a table are decoded already, as the configuration says."""
    from clnorm.data.store import naming

    return naming.locate_store(naming.describe_store(table, **_store_shape(config))).exists()
