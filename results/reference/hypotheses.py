"""The hypotheses of PROTOCOL.md, tested on the records beside this file: a table in Markdown.

    python results/reference/hypotheses.py              # the table
    python results/reference/hypotheses.py --explain H4 # the runs behind a hypothesis, each with its value

Every test is a two-sided paired t-test over seeds. H1 is tested at 5 %; the others are Holm-corrected as one family.
What the protocol asks beside them is explored: its p-values are not corrected, and nothing is concluded from one alone.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import spearmanr

from clnorm.errors import UserError
from clnorm.evaluation.stats import PairedDifference, holm, paired_difference
from clnorm.results.explanation import EXPLANATION_FILE
from clnorm.results.frames.explanations import load_explanations
from clnorm.results.load import load_results

HERE = Path(__file__).parent
SEEDS = range(5)
LEVEL = 0.05
NORMS = ("ln", "bn", "bn_frozen", "gn", "cn")
_SEVERAL = "norms"  # the folder whose cells have rates of their own, as the protocol says


@dataclass(frozen=True)
class Cell:
    """A value of each seed: of a norm with a strategy in a folder of runs, a metric or a part of the forgetting."""

    norm: str
    strategy: str
    of: str = "accuracy"
    folder: str = "main"
    order: str = ""  # of the classes, where a folder has several


@dataclass(frozen=True)
class Test:
    """What is tested: the sum of some cells less that of others; a hypothesis expects it to be above zero."""

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


def _apart(norm: str, of: str) -> Test:
    cells = Cell(norm, "replay", of, "separate"), Cell(norm, "replay", of)
    return Test("forward", f"{norm}: separate - joint, replay, {of}", plus=cells[:1], less=cells[1:])


def _estimated(which: str, strategy: str, of: str) -> Test:
    cells = Cell(f"bn:recalibrate={which}", strategy, of, "norms"), Cell("bn", strategy, of)
    return Test("statistics", f"bn re-estimated ({which}) - bn, {strategy}, {of}", plus=cells[:1], less=cells[1:])


def _ordered(norm: str) -> Test:
    hard, easy = (Cell(norm, "replay", folder="orders", order=order) for order in ("hard", "easy"))
    return Test("orders", f"{norm}: hard - easy, replay, accuracy", plus=(hard,), less=(easy,))


def _image(norm: str, *, forward: str = "joint", tuned: bool) -> Cell:
    return Cell(norm, "er_ace", folder=f"images/{forward}{'_tuned' if tuned else ''}")


def _of_images(what: str, more: Cell, less: Cell) -> Test:
    return Test("images", f"{what}, accuracy", plus=(more,), less=(less,))


EXPLORED = (
    *(_apart(norm, of) for norm in ("bn", "cn") for of in ("accuracy", "forgetting")),
    *(
        _estimated(which, strategy, of)
        for which, strategy in (("current", "naive"), ("buffer", "replay"))
        for of in ("accuracy", "forgetting")
    ),
    *(map(_ordered, NORMS)),
    _of_images(
        "adab2n tuned - bn separate untuned",
        _image("adab2n", tuned=True),
        _image("bn", forward="separate", tuned=False),
    ),
    _of_images(
        "of this, forward: bn joint - separate, untuned",
        _image("bn", tuned=False),
        _image("bn", forward="separate", tuned=False),
    ),
    _of_images("of this, tuning: bn joint, tuned - untuned", _image("bn", tuned=True), _image("bn", tuned=False)),
    _of_images("of this, norm: adab2n - bn, joint, tuned", _image("adab2n", tuned=True), _image("bn", tuned=True)),
    _of_images("cn - bn, joint, tuned", _image("cn", tuned=True), _image("bn", tuned=True)),
)


class Values:
    """The values of cells by seed, each folder read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[tuple[str, str, str], Mapping[tuple[str, str, str], dict[int, tuple[float, str]]]] = {}

    def of(self, cell: Cell) -> dict[int, tuple[float, str]]:
        """By seed the value and the run that it is of; of a cell that is not there, none."""
        kind = "parts" if cell.of == "statistics" else "metrics"
        key = (cell.folder, cell.order, kind)
        if key not in self._read:
            self._read[key] = self._load(*key)
        return self._read[key].get((cell.norm, cell.strategy, cell.of), {})

    def _load(self, folder: str, order: str, kind: str) -> dict[tuple[str, str, str], dict[int, tuple[float, str]]]:
        found: dict[tuple[str, str, str], dict[int, tuple[float, str]]] = {}
        if not any((self._root / folder).glob(f"*/{EXPLANATION_FILE if kind == 'parts' else 'record.json'}")):
            return found
        if kind == "parts":
            frame = load_explanations(self._root / folder, on_lacking=lambda _: None)
            # The part of a run is the mean over its old experiences, as its forgetting is.
            keys = ["setting", "protocol", "norm", "strategy", "part", "seed", "run"]
            frame = frame.groupby(keys, as_index=False)["value"].mean().rename(columns={"part": "metric"})
        else:
            frame = load_results(self._root / folder).dropna(subset=["metric", "value"])
        if order:
            frame = frame[frame["protocol"].str.contains(f"order={order}", regex=False)]
        if folder != _SEVERAL and len(settings := sorted(frame["setting"].unique())) > 1:
            what = f"holds runs of {len(settings)} settings, of which no difference is one of norms: {settings}"
            raise UserError(what, where=str(self._root / folder), hint="keep those of one")
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


def find_lacking(cells: Iterable[Cell], values: Values) -> str:
    """The seeds that each of the cells lacks, in words; empty where all are there."""
    lacking = []
    for cell in cells:
        if seeds := [str(seed) for seed in SEEDS if seed not in values.of(cell)]:
            lacking.append(f"{cell.folder} {cell.norm} {cell.strategy} {', '.join(seeds)}")
    return f"incomplete, lacks: {'; '.join(lacking)}" if lacking else ""


def compare(test: Test, values: Values) -> PairedDifference | str:
    """The difference over the five seeds, or what is lacking for it: cells, each with its seeds."""
    if lacking := find_lacking((*test.plus, *test.less), values):
        return lacking
    sides = [
        {seed: sum(values.of(cell)[seed][0] for cell in side) for seed in SEEDS} for side in (test.plus, test.less)
    ]
    return paired_difference(*sides)


def _judge(found: PairedDifference, p: float) -> str:
    if math.isnan(p):
        return "no test: the differences do not vary"
    if not p < LEVEL:
        return "not told apart"
    return "as expected" if found.mean > 0 else "the opposite"


def judge_split2(values: Values) -> str:
    """Whether the order of norms under replay is another one on split 2: Spearman's correlation of their five means."""
    cells = [[Cell(norm, "replay", folder=folder) for norm in NORMS] for folder in ("main", "split2")]
    if lacking := find_lacking([cell for folder in cells for cell in folder], values):
        return f"not judged, {lacking}"
    means = [
        [statistics.fmean(values.of(cell)[seed][0] for seed in SEEDS) for cell in of_folder] for of_folder in cells
    ]
    if any(len(set(of_folder)) == 1 for of_folder in means):
        return "not judged, the means of all norms are one"
    correlation = spearmanr(*means).statistic
    told = "it is no other one" if correlation > 0 else "nothing on split 1 is claimed of videos at large"
    return f"rank correlation {correlation:+.2f}: {told}"


def tabulate(root: Path) -> str:
    """The tables of all tests, in points of per cent: the hypotheses, and what is explored."""
    values = Values(root)
    found = [compare(test, values) for test in TESTS]
    p_values = [one.p if isinstance(one, PairedDifference) else math.nan for one in found]
    corrected = [p_values[0], *holm(p_values[1:])]
    lines = ["| | difference | points ± 95 % | p | corrected p | |", "| :-- | :-- | --: | --: | --: | :-- |"]
    for test, one, p in zip(TESTS, found, corrected, strict=True):
        told = [_p_text(p), _judge(one, p)] if isinstance(one, PairedDifference) else ["--", one]
        lines.append(_row(test, one, *told))
    lines += ["", "| explored | difference | points ± 95 % | p | |", "| :-- | :-- | --: | --: | :-- |"]
    for test in EXPLORED:
        one = compare(test, values)
        lines.append(_row(test, one, "" if isinstance(one, PairedDifference) else one))
    lines += ["", f"Order of norms under replay on split 2 beside split 1: {judge_split2(values)}."]
    return "\n".join(lines)


def _row(test: Test, found: PairedDifference | str, *more: str) -> str:
    interval = p = "--"
    if isinstance(found, PairedDifference):
        interval, p = f"{100 * found.mean:+.1f} ± {100 * found.half_width:.1f}", _p_text(found.p)
    return f"| {' | '.join([test.hypothesis, test.what, interval, p, *more])} |"


def _p_text(p: float) -> str:
    return "--" if math.isnan(p) else f"{p:.3f}"


def explain(root: Path, hypothesis: str) -> str:
    """The runs behind a hypothesis, with the value of each in per cent."""
    values, lines = Values(root), []
    for test in (test for test in (*TESTS, *EXPLORED) if test.hypothesis == hypothesis):
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
        "--explain", choices=sorted({test.hypothesis for test in (*TESTS, *EXPLORED)}), help="list the runs behind it"
    )
    parser.add_argument("--folder", type=Path, default=HERE, help="of the folders of records (default: this file's)")
    arguments = parser.parse_args()
    sys.stdout.write(
        (explain(arguments.folder, arguments.explain) if arguments.explain else tabulate(arguments.folder)) + "\n"
    )


if __name__ == "__main__":
    main()
