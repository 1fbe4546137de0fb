"""What the cells of a sweep share and find ready: decoded clips and compiled passes."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from clnorm.data.open import has_store, open_store, read_table
from clnorm.launch.plan import Cell
from clnorm.progress import Reporter

if TYPE_CHECKING:
    from clnorm.config.config import Config
    from clnorm.data.table import ClipTable


def list_unprepared(cells: Mapping[int, Cell]) -> list[int]:
    """A cell, by its index, for each store of clips that is not there yet.

    Raises:
        UserError: data that cannot be used.
    """
    tables: dict[tuple[str, str | None], ClipTable] = {}
    first: dict[tuple[object, ...], int] = {}
    for index, cell in cells.items():
        first.setdefault(_store_of(cell.config), index)
    found = []
    for index in first.values():
        config = cells[index].config
        key = (str(config.dataset), config.data.root)
        if key not in tables:
            tables[key] = read_table(config, Reporter())
        if not has_store(config, tables[key]):
            found.append(index)
    return found


def prepare(cells: Iterable[Cell], *, reporter: Reporter) -> None:
    """Decode the clips of cells, and compile the passes that they ask for.

    Raises:
        UserError: data that cannot be used, such as clips that cannot be decoded.
        ClnormError: the disk is full, or the passes cannot be compiled.
    """
    for cell in cells:
        if cell.config.train.kernels == "native":
            from clnorm.norms.kernels.native import load_native

            load_native()
        open_store(cell.config, read_table(cell.config, reporter), reporter)


def _store_of(config: "Config") -> tuple[object, ...]:
    """What differs where the stores of two configurations do."""
    data = config.data
    return str(config.dataset), data.root, data.frames, data.keep, data.image_size, data.cache, data.decoder
