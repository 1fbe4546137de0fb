"""The manifest of a sweep: its cells as JSON, which any process can run by their index."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from clnorm.catalogue.plugins import mark_foreign, parse_allowed
from clnorm.config.load import merge_config
from clnorm.errors import ClnormError, UserError
from clnorm.files import UNSEALED, check_seal, replace_file, seal
from clnorm.launch.plan import Cell
from clnorm.reading import check_types, read_json

FOLDER = ".sweep"
"""What a sweep keeps beside the folders of its runs."""

SCHEMA = 1


def write_manifest(cells: Sequence[Cell]) -> Path:
    """Write the cells of a sweep into its results folder, under a name that its content decides; gives the file.

    Raises:
        ClnormError: the folder cannot be written.
    """
    rows = [{"name": cell.name, "run": cell.run, "config": cell.config.to_dict()} for cell in cells]
    content = {"schema": SCHEMA, "cells": rows}
    name = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    file = Path(cells[0].config.out).expanduser() / FOLDER / f"{name}.json"
    sealed = seal((json.dumps({**content, "checksum": UNSEALED}, indent=1) + "\n").encode())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", where=str(file.parent), hint="choose --out") from error
    with locked(file.parent):
        replace_file(file, lambda target: target.write(sealed))
    return file


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold what a sweep keeps beside its runs while something of it is replaced: sweeps may share a results folder."""
    from filelock import FileLock

    with FileLock(folder / "lock"):
        yield


def read_cells(
    file: str | Path, indices: Iterable[int] | None = None, *, allow_plugins: Iterable[str] = ()
) -> list[Cell]:
    """Cells of a manifest, in the order of the indices.

    Args:
        file: that `write_manifest` wrote.
        indices: of the cells, from 0; all by default.
        allow_plugins: as in `clnorm.load_config`.

    Raises:
        UserError: there is no such file or no such cell, it names a plug-in that is not allowed, or its cells would go
            into another results folder than its own from here.
        ClnormError: it is damaged or was edited.
    """
    rows, allowed = read_rows(file), parse_allowed(allow_plugins)
    chosen = list(dict.fromkeys(range(len(rows)) if indices is None else indices))
    if absent := [index for index in chosen if not 0 <= index < len(rows)]:
        raise UserError(f"there is no cell {absent[0]}", where=str(file), legal=f"0 to {len(rows) - 1}")
    cells = [
        Cell(row["name"], row["run"], merge_config(mark_foreign(row["config"], allowed, str(file)), {}))
        for row in (rows[index] for index in chosen)
    ]
    _check_place(Path(file), {cell.config.out for cell in cells})
    return cells


def _check_place(file: Path, outs: Iterable[str]) -> None:
    """Refuse a manifest whose cells would go into another results folder than its own: paths are relative to where the
    sweep was given.
    """
    for out in outs:
        place = Path(out).expanduser()
        if place.resolve() == file.resolve().parent.parent:
            continue
        what = f"its runs would go into {place.absolute()}, and it lies in another results folder"
        before = file.absolute().parent.parent.parts[: -len(place.parts)]
        given_in = Path(*before) if before and not place.is_absolute() and Path(*before, place).is_dir() else None
        hint = "give the command in the folder that the sweep was given in"
        raise UserError(what, where=str(file), hint=f"{hint}: {given_in}" if given_in else hint)


def read_rows(file: str | Path) -> list[dict[str, Any]]:
    """The `name`, `run` and `config` of each cell as they stand in a manifest's file; raises as `read_cells`."""
    path = Path(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        hint = "clnorm sweep writes it, and names it"
        raise UserError(f"cannot be read ({error.strerror})", where=str(path), hint=hint) from error
    try:
        if not check_seal(content):
            raise ValueError("it has no checksum")
        loaded = read_json(content)
        if loaded["schema"] != SCHEMA:
            raise ValueError(f"it has schema {loaded['schema']}")
        rows: list[dict[str, Any]] = loaded["cells"]
        for row in rows:
            check_types(row, {"name": str, "run": str, "config": dict[str, Any]})
    except (ValueError, KeyError, TypeError) as error:
        hint = "a manifest is not edited: give the sweep again, which writes it anew"
        raise ClnormError(f"is no manifest of a sweep, or was changed ({error})", where=str(path), hint=hint) from error
    return rows
