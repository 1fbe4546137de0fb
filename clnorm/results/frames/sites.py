"""What was measured at the norm sites of all runs under a folder, as one long table."""

from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.results.folder import PLASTICITY_FILE, read_frame
from clnorm.results.frames.finished import OnLacking, OnUnreadable, read_keeping

if TYPE_CHECKING:
    import pandas as pd


def load_sites(
    folder: str | Path, *, on_unreadable: OnUnreadable = None, on_lacking: OnLacking = None
) -> "pd.DataFrame":
    """One row for each norm site after each experience of the finished runs that keep `plasticity.parquet`.

    Args:
        folder: where the folders of runs lie, at any depth.
        on_unreadable: as of `load_results`.
        on_lacking: as of `read_keeping`.

    Returns:
        The columns of `load_results` with those of its group `config`, but for metric and value; those of
        `plasticity.parquet` instead, with `after` counted from 1, and `depth`, the site's place from 1 in the order of
        the forward pass.

    Raises:
        UserError: as `read_keeping`.
        ClnormError: a file is damaged; or as `read_keeping`.
    """
    import pandas as pd

    parts, hint = [], "make them with --set eval.plasticity=true"
    for path, _, shared in read_keeping(
        PLASTICITY_FILE, folder, on_unreadable=on_unreadable, on_lacking=on_lacking, hint=hint
    ):
        measures = read_frame(path / PLASTICITY_FILE, hint="delete it to leave this run out")
        parts.append(place_sites(measures).assign(**shared))
    return pd.concat(parts, ignore_index=True)


def place_sites(measures: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of one run, without what all of its rows share.

    Args:
        measures: of its `plasticity.parquet`.
    """
    depths = {site: place for place, site in enumerate(dict.fromkeys(measures["site"]), start=1)}
    return measures.assign(after=measures["after"] + 1, depth=measures["site"].map(depths))
