"""From the folder of the records to the folder of the site."""

from dataclasses import dataclass
from pathlib import Path

from clnorm.leaderboard.boards import make_boards
from clnorm.leaderboard.entries import read_entries
from clnorm.leaderboard.folder import check_target, replace_folder
from clnorm.leaderboard.pages import render_site
from clnorm.results.published import read_published


@dataclass(frozen=True)
class Site:
    """What was written: how many boards, runs that count, and runs that do not."""

    boards: int
    counted: int
    left_out: int


def build_site(records: str | Path, out: str | Path, *, published: str | Path | None = None) -> Site:
    """Write a leaderboard as static pages, in the place of an earlier one.

    Args:
        records: a folder of run folders, at any depth.
        out: the folder of the site: none yet, an empty one, or one that this function has made.
        published: a CSV file of reported numbers, see `clnorm.results.published`.

    Raises:
        UserError: there is no run, a file of reported numbers cannot be read, or `out` holds something else.
        ClnormError: the site cannot be written; what was there is as it was.
    """
    target = check_target(out)
    reported = None if published is None else read_published(published)
    entries, left_out = read_entries(records)
    boards = make_boards(entries)
    replace_folder(target, render_site(boards, left_out, reported))
    return Site(len(boards), len(entries), len(left_out))
