"""Boards: the norms of one setting and strategy, ranked over paired seeds with intervals that say how sure that is."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clnorm.catalogue import NORMS, STRATEGIES
from clnorm.evaluation.metrics import METRICS
from clnorm.evaluation.ranks import Rank, rank_with_intervals
from clnorm.evaluation.stats import FEWEST, Interval, t_interval
from clnorm.leaderboard.entries import SHOWN, Entry, is_defined
from clnorm.tables.grid import ordered_names


@dataclass(frozen=True)
class Row:
    """A norm on a board.

    Args:
        norm: its name, with its label where it has one.
        entries: its runs by seed.
        lacking: seeds of the board that it has no run of; without any it is compared.
        intervals: by metric, over the board's seeds; empty where seeds are lacking.
        rank: the ranks that it may truly have; None where nothing is ranked.
        groups: letters of the groups that it is in: norms with a letter in common cannot be told apart.
    """

    norm: str
    entries: Mapping[int, Entry]
    lacking: tuple[int, ...] = ()
    intervals: Mapping[str, Interval] | None = None
    rank: Rank | None = None
    groups: str = ""


@dataclass(frozen=True)
class Board:
    """The norms of one setting and strategy.

    Args:
        setting: its hash.
        strategy: its name.
        first: one of the runs, for what all of them share.
        seeds: over which norms are compared: those that more than half of them have.
        beside: other seeds that some norm has runs of, which do not count.
        rows: norms that have all seeds, in the order of their ranks, as far as these tell one.
        incomplete: the others, as the catalogue has them.
    """

    setting: str
    strategy: str
    first: Entry
    seeds: tuple[int, ...]
    beside: tuple[int, ...]
    rows: tuple[Row, ...]
    incomplete: tuple[Row, ...]

    @property
    def page(self) -> str:
        """The name of its page."""
        key = hashlib.sha256(json.dumps([self.setting, self.strategy]).encode()).hexdigest()[:12]
        return f"board-{key}.html"

    @property
    def is_ranked(self) -> bool:
        """Whether its norms are ranked: two or more of them, over enough seeds to test."""
        return any(row.rank is not None for row in self.rows)

    @property
    def leaders(self) -> tuple[str, ...]:
        """The norms that may be the best."""
        return tuple(row.norm for row in self.rows if row.rank is not None and row.rank.best == 1)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What could not be checked of its runs, each reason once."""
        rows = (*self.rows, *self.incomplete)
        return tuple(dict.fromkeys(run.unchecked for row in rows for run in row.entries.values() if run.unchecked))

    @property
    def count(self) -> int:
        """How many runs stand on it."""
        return sum(len(row.entries) for row in (*self.rows, *self.incomplete))


def make_boards(entries: Sequence[Entry]) -> list[Board]:
    """A board for each setting and strategy of runs that count, each once.

    They are in the order of their settings' names, and of strategies as the catalogue has them.
    """
    grouped: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        grouped[entry.record.setting, entry.strategy].append(entry)
    order = ordered_names({strategy for _, strategy in grouped}, STRATEGIES)
    boards = [_make_board(own) for own in grouped.values()]
    names = ("dataset", "protocol", "backbone")

    def place(board: Board) -> tuple[list[str], str, int]:
        record = board.first.record
        return [record.names[name] for name in names], board.setting, order.index(board.strategy)

    return sorted(boards, key=place)


def _make_board(entries: Sequence[Entry]) -> Board:
    by_norm: dict[str, dict[int, Entry]] = defaultdict(dict)
    for entry in entries:
        by_norm[entry.norm][entry.record.seed] = entry
    had = Counter(seed for own in by_norm.values() for seed in own)
    # By more than half, so that one norm with fewer or other seeds changes nothing for those that are there.
    seeds = tuple(sorted(seed for seed, count in had.items() if 2 * count > len(by_norm)))
    names = ordered_names(set(by_norm), NORMS)
    rows = [_make_row(name, by_norm[name], seeds) for name in names]
    first = min(entries, key=lambda entry: entry.place)
    return Board(
        setting=first.record.setting,
        strategy=first.strategy,
        first=first,
        seeds=seeds,
        beside=tuple(sorted(had.keys() - set(seeds))),
        rows=_rank([row for row in rows if row.intervals is not None], seeds),
        incomplete=tuple(row for row in rows if row.intervals is None),
    )


def _make_row(norm: str, entries: Mapping[int, Entry], seeds: Sequence[int]) -> Row:
    own = dict(sorted(entries.items()))
    lacking = tuple(seed for seed in seeds if seed not in own)
    if lacking or not seeds:
        return Row(norm, own, lacking)
    intervals = {metric: t_interval([own[seed].values[metric] for seed in seeds]) for metric in SHOWN}
    return Row(norm, own, (), intervals)


def _rank(rows: Sequence[Row], seeds: Sequence[int]) -> tuple[Row, ...]:
    """The rows with their ranks in the order of `_place`; as they are where nothing is ranked."""
    metric = SHOWN[0]
    values = {row.norm: {seed: row.entries[seed].values[metric] for seed in seeds} for row in rows}
    undefined = any(not is_defined(value) for own in values.values() for value in own.values())
    if len(rows) < 2 or len(seeds) < FEWEST or undefined:
        return tuple(rows)
    ranking = rank_with_intervals(values, higher_is_better=METRICS[metric].higher_is_better)
    letters = dict.fromkeys(values, "")
    for number, group in enumerate(ranking.groups):
        for norm in group:
            letters[norm] += _letter(number)
    ranked = [Row(row.norm, row.entries, (), row.intervals, ranking.ranks[row.norm], letters[row.norm]) for row in rows]
    return tuple(sorted(ranked, key=_place))


def _place(row: Row) -> tuple[int, str]:
    """The order of rows: by how many norms one surely beats, less how many surely beat it; then by name.

    A mean would order what cannot be told apart, and the best rank put a norm first whose values vary much.
    """
    return (row.rank.best + row.rank.worst if row.rank is not None else 0), row.norm


def _letter(number: int) -> str:
    """a to z, then a1 to z1."""
    turn, place = divmod(number, 26)
    return f"{chr(ord('a') + place)}{turn or ''}"
