"""What was measured at the norm sites of all runs under a folder, as one long table."""

from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.errors import UserError
from clnorm.results.folder import PLASTICITY_FILE, read_frame
from clnorm.results.frames.finished import OnUnreadable, read_finished

if TYPE_CHECKING:
    import pandas as pd


def load_sites(folder: str | Path, *, on_unreadable: OnUnreadable = None) -> "pd.DataFrame":
    """One row for each norm site after each experience of the finished runs that keep `plasticity.parquet`.

    Args:
        folder: where the folders of runs lie, at any depth.
        on_unreadable: as of `load_results`.

    Returns:
        The columns of `load_results` with those of its group `config`, but for metric and value; those of
        `plasticity.parquet` instead, with `after` counted from 1, and `depth`, the site's place from 1 in the order of
        the forward pass.

    Raises:
        UserError: no run keeps any; or as `read_finished`.
        ClnormError: a file is damaged; or as `read_finished`.
    """
    import pandas as pd

    parts = []
    for path, _, shared in read_finished(folder, on_unreadable=on_unreadable):
        file = path / PLASTICITY_FILE
        if file.is_file():
            rows = read_frame(file, hint="delete it to leave this run out").assign(**shared)
            depths = {site: place for place, site in enumerate(dict.fromkeys(rows["site"]), start=1)}
            parts.append(rows.assign(after=rows["after"] + 1, depth=rows["site"].map(depths)))
    if not parts:
        what, hint = f"no finished run keeps {PLASTICITY_FILE}", "make them with --set eval.plasticity=true"
        raise UserError(what, where=str(folder), hint=hint)
    return pd.concat(parts, ignore_index=True)
