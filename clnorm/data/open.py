"""A configuration's clips: the table of its dataset, and the store that holds them decoded."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def present_content(config: Config, table: "ClipTable") -> str | None:
    """The hash of what the clips of a table hold now; None where there is no store of them to compare with."""
    from clnorm.data.store import naming

    meta = naming.describe_store(table, **_store_shape(config))
    return naming.present_content(meta, table, workers=config.data.workers)


def has_store(config: Config, table: "ClipTable") -> bool:
    """Whether the clips of a table are decoded already, as the configuration says."""
    from clnorm.data.store import naming

    return naming.locate_store(naming.describe_store(table, **_store_shape(config))).exists()
