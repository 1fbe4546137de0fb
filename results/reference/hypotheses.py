"""The hypotheses of PROTOCOL.md, tested on the records beside this file: a table in Markdown.

    python results/reference/hypotheses.py              # the table
    python results/reference/hypotheses.py --explain H4 # the runs behind a hypothesis, each with its value

Every test is a two-sided paired t-test over seeds. H1 is tested at 5 %; the others are Holm-corrected as one family.
"""

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clnorm.errors import UserError
from clnorm.evaluation.stats import PairedDifference, holm, paired_difference
from clnorm.results.explanation import EXPLANATION_FILE
from clnorm.results.frames.explanations import load_explanations
from clnorm.results.load import load_results

HERE = Path(__file__).parent
SEEDS = range(5)
LEVEL = 0.05


@dataclass(frozen=True)
class Cell:
    """A value of each seed: of a norm with a strategy in a folder of runs, a metric or a part of the forgetting."""

    norm: str
    strategy: str
    of: str = "accuracy"
    folder: str = "main"


@dataclass(frozen=True)
class Test:
    """What is tested: the sum of some cells less that of others, expected to be above zero."""

    hypothesis: str
    what: str
    plus: tuple[Cell, ...]
    less: tuple[Cell, ...] = ()


def _against_joint(norm: str) -> Test:
    return Test(
        "H4",
        f"({norm} - bn under replay) - ({norm} - bn in joint training), ACC",
        plus=(Cell(norm, "replay"), Cell("bn", "joint")),
        less=(Cell("bn", "replay"), Cell(norm, "joint")),
    )


def _forgets_less(strategy: str) -> Test:
    cells = (Cell("bn", strategy, "forgetting"), Cell("bn_frozen", strategy, "forgetting"))
    return Test("H2", f"bn - bn_frozen, {strategy}, forgetting", plus=cells[:1], less=cells[1:])


TESTS = (
    Test("H1", "cn - bn, replay, ACC", plus=(Cell("cn", "replay"),), less=(Cell("bn", "replay"),)),
    _forgets_less("naive"),
    _forgets_less("replay"),
    Test("H3", "statistics' part of bn's forgetting, naive", plus=(Cell("bn", "naive", "statistics"),)),
    _against_joint("ln"),
    _against_joint("gn"),
    Test(
        "H5",
        "(cn - bn in one epoch) - (cn - bn in six), replay, ACC",
        plus=(Cell("cn", "replay", folder="online"), Cell("bn", "replay")),
        less=(Cell("bn", "replay", folder="online"), Cell("cn", "replay")),
    ),
)


class Values:
    """The values of cells by seed, each folder read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[tuple[str, str], Mapping[tuple[str, str, str], dict[int, tuple[float, str]]]] = {}

    def of(self, cell: Cell) -> dict[int, tuple[float, str]]:
        """By seed the value and the run that it is of; of a cell that is not there, none."""
        kind = "parts" if cell.of == "statistics" else "metrics"
        if (cell.folder, kind) not in self._read:
            self._read[cell.folder, kind] = self._load(cell.folder, kind)
        return self._read[cell.folder, kind].get((cell.norm, cell.strategy, cell.of), {})

    def _load(self, folder: str, kind: str) -> dict[tuple[str, str, str], dict[int, tuple[float, str]]]:
        found: dict[tuple[str, str, str], dict[int, tuple[float, str]]] = {}
        if not any((self._root / folder).glob(f"*/{EXPLANATION_FILE if kind == 'parts' else 'record.json'}")):
            return found
        if kind == "parts":
            frame = load_explanations(self._root / folder, on_lacking=lambda _: None)
            # The part of a run is the mean over its old experiences, as its forgetting is.
            frame = frame.groupby(["norm", "strategy", "part", "seed", "run"], as_index=False)["value"].mean()
            frame = frame.rename(columns={"part": "metric"})
        else:
            frame = load_results(self._root / folder).dropna(subset="metric")
        for row in frame.itertuples():
            strategy = str(row.strategy).partition(":")[0]
            by_seed = found.setdefault((str(row.norm), strategy, str(row.metric)), {})
            if int(row.seed) in by_seed:
                what = (
                    f"{row.norm} with {strategy} and seed {row.seed} is there twice: {by_seed[row.seed][1]}, {row.run}"
                )
                raise UserError(what, where=str(self._root / folder), hint="keep one of them")
            by_seed[int(row.seed)] = (float(row.value), str(row.run))
        return found


def compare(test: Test, values: Values) -> PairedDifference | list[int]:
    """The difference over the five seeds, or the seeds that all of its cells have where that is not all."""
    cells = [values.of(cell) for cell in (*test.plus, *test.less)]
    seeds = [seed for seed in SEEDS if all(seed in cell for cell in cells)]
    if len(seeds) < len(SEEDS):
        return seeds
    sides = [
        {seed: sum(values.of(cell)[seed][0] for cell in side) for seed in seeds} for side in (test.plus, test.less)
    ]
    return paired_difference(*sides)


def _judge(found: PairedDifference, p: float) -> str:
    if not p < LEVEL:
        return "not told apart"
    return "as expected" if found.mean > 0 else "the opposite"


def tabulate(root: Path) -> str:
    """The table of all tests, in points of per cent."""
    values = Values(root)
    found = [compare(test, values) for test in TESTS]
    p_values = [one.p if isinstance(one, PairedDifference) else math.nan for one in found]
    adjusted = [p_values[0], *holm(p_values[1:])]
    lines = ["| | difference | points ± 95 % | p | corrected p | |", "| :-- | :-- | --: | --: | --: | :-- |"]
    for test, one, p, corrected in zip(TESTS, found, p_values, adjusted, strict=True):
        if isinstance(one, list):
            told = f"-- | -- | -- | incomplete: {len(one)} of {len(SEEDS)} seeds"
        else:
            interval = f"{100 * one.mean:+.1f} ± {100 * one.half_width:.1f}"
            told = f"{interval} | {p:.3f} | {corrected:.3f} | {_judge(one, corrected)}"
        lines.append(f"| {test.hypothesis} | {test.what} | {told} |")
    return "\n".join(lines)


def explain(root: Path, hypothesis: str) -> str:
    """The runs behind a hypothesis, with the value of each in per cent."""
    values, lines = Values(root), []
    for test in (test for test in TESTS if test.hypothesis == hypothesis):
        lines.append(test.what)
        for sign, side in (("+", test.plus), ("-", test.less)):
            for cell in side:
                for seed, (value, run) in sorted(values.of(cell).items()):
                    lines.append(f"  {sign} {100 * value:6.2f}  seed {seed}  {cell.of}  {cell.folder}/{run}")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or what is behind a hypothesis."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--explain", choices=sorted({test.hypothesis for test in TESTS}), help="list the runs behind it"
    )
    parser.add_argument("--folder", type=Path, default=HERE, help="of the folders of records (default: this file's)")
    arguments = parser.parse_args()
    sys.stdout.write(
        (explain(arguments.folder, arguments.explain) if arguments.explain else tabulate(arguments.folder)) + "\n"
    )


if __name__ == "__main__":
    main()
