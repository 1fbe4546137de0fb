"""What the caption of a table says: the experiment as chosen, its numbers, its marks and its metrics."""

import math
import re
from collections.abc import Iterator, Sequence

from clnorm.catalogue import PROTOCOLS, STRATEGIES
from clnorm.catalogue.titles import write_plain
from clnorm.config.tuned import SECTION, options_of
from clnorm.evaluation.metrics import METRICS, Metric
from clnorm.evaluation.stats import FEWEST, LEVEL
from clnorm.results.record import NOTES, UNKNOWN
from clnorm.tables.cell import SIGNIFICANT
from clnorm.tables.dialects import MISSING, Dialect, write_name, write_versus
from clnorm.tables.grid import Grid, Stream
from clnorm.tables.names import EFFECT, plural
from clnorm.tables.reported import explain_reported

_SEEN = {"weights": "{}", "data.frames": "on {} frames", "data.image_size": "of {0} by {0} pixels"}
_TRAINED = {
    "train.epochs": "{} epochs",
    "train.lr": "learning rate {}",
    "train.batch_size": "batches of {} clips",
    "data.augment": "augmentation {}",
    "data.mix": "mix {}",
    "imbalance": "{} against unequal classes",
    "frozen": "{} frozen",
    "fine_tuning": "{} of class-balanced fine-tuning on the memory",
}
_FORWARD = {
    "joint": "Current clips and those of a memory pass the model together",
    "separate": "Current clips and those of a memory pass the model in separate forward passes",
}
_ONE = {"data.frames": "on 1 frame", "train.epochs": "1 epoch", "train.batch_size": "batches of 1 clip"}
_TITLES = {"train.lr": "learning rate"}
_NUMBER = re.compile(r"\d+(\.\d+)?")
_LACKING = {"data.augment": "no augmentation", "data.mix": "no mix"}


def write_caption(grid: Grid, dialect: Dialect) -> str:
    """What the table shows: data, model, protocol, seeds, interval, and each metric's definition and source."""
    level = f"{LEVEL * 100:g}{dialect.percent}"
    sentences = [
        *_explain_streams(grid, dialect),
        *_explain_protocols(grid, dialect),
        _explain_training(grid, dialect),
        *_explain_fixed(grid, dialect),
        _explain_tuning(grid, dialect),
        *_explain_strategies(grid, dialect),
        _explain_values(grid, dialect, level=level),
        *explain_reported(grid, dialect),
        f"{MISSING}: undefined, or without a finished run for every seed" if _has_gap(grid) else "",
        *(f"{label}: {dialect.escape(NOTES[label])}" for label in grid.labels),
        _explain_versus(grid, dialect, level=level),
        _explain_effect(grid, dialect),
    ]
    return " ".join([*(f"{sentence}." for sentence in sentences if sentence), write_definitions(grid, dialect)])


def write_definitions(grid: Grid, dialect: Dialect) -> str:
    """What each metric is, and where it comes from."""
    matrix = f"{dialect.R} is the accuracy on experience j after experience t, T the last."
    return " ".join([matrix, *(f"{_define(grid, metric, dialect)}." for metric in grid.metrics)])


def _define(grid: Grid, metric: Metric, dialect: Dialect) -> str:
    """A metric's name in words where its heading does not say it, its formula and its source."""
    words = metric.key.replace("_", " ")
    known = metric.key not in METRICS or words in dialect.heading(metric).lower()
    source = dialect.escape(metric.source) + dialect.cite(grid.cited.get(("metric", metric.key), ()))
    return f"{'' if known else f'{words}: '}{dialect.definition(metric)} ({source})"


def _explain_streams(grid: Grid, dialect: Dialect) -> Iterator[str]:
    """Each dataset and protocol, and how many classes are learned when."""
    for stream in grid.streams:
        yield ", ".join([_explain_stream(grid, stream, dialect), *_explain_validation(grid, dialect)])


def _explain_stream(grid: Grid, stream: Stream, dialect: Dialect) -> str:
    pairs = (("dataset", stream.dataset), ("protocol", stream.protocol))
    dataset, protocol = (write_name(grid, *each, dialect, cited=True) for each in pairs)
    known = f"Dataset {dataset}, protocol {protocol}"
    if (text := stream.experiences) == UNKNOWN:
        return known
    if not re.fullmatch(r"\d+(, \d+)*", text):  # runs that have the classes otherwise
        return f"{known}: classes of the experiences {dialect.escape(text)}"
    sizes = [int(size) for size in text.split(", ")]
    alike = f"{sizes[0]} each" if len(set(sizes)) == 1 else _list(sizes)
    count = f"{len(sizes)} experiences of {alike}" if len(sizes) > 1 else "1 experience"
    limited = grid.experiment.get("train.experiences", "0") not in ("0", UNKNOWN)
    return f"{known}: {sum(sizes)} class{'es' * (sum(sizes) != 1)} in {'the first ' * limited}{count}"


def _explain_validation(grid: Grid, dialect: Dialect) -> Iterator[str]:
    """What test clips are, where they are not those of the dataset, or are seen more than once."""
    if (views := grid.experiment.get("eval.views", "1")) not in ("1", UNKNOWN):
        yield f"{views} views of each test clip"
    if (share := grid.experiment.get("data.validation", "0.0")) not in ("0.0", UNKNOWN):
        shown = f"{100 * float(share):g}{dialect.percent}" if _NUMBER.fullmatch(share) else dialect.escape(share)
        yield f"tested on {shown} of the training clips, held out"


def _explain_fixed(grid: Grid, dialect: Dialect) -> Iterator[str]:
    """The norm or the strategy of all runs, where it is neither rows nor columns."""
    for kind in ("norm", "strategy"):
        if kind in grid.fixed:
            yield f"{kind.capitalize()} {write_name(grid, kind, grid.fixed[kind], dialect, cited=True)}"


def _explain_protocols(grid: Grid, dialect: Dialect) -> Iterator[str]:
    """What is special about a protocol, such as that tasks are known."""
    for protocol in grid.list_names("protocol"):
        spec = PROTOCOLS.parse_own(protocol)
        if spec is not None and spec.entry.caption:
            words = {key: write_plain(value) for key, value in spec.options}
            yield dialect.escape(spec.entry.caption.format(**words))


def _explain_training(grid: Grid, dialect: Dialect) -> str:
    """The backbone, what it starts from and sees, and how it is trained; what a frame of results lacks is left out."""
    tuned = _tuned_keys(grid)
    told = {key: "tuned" if key in tuned else dialect.escape(value) for key, value in grid.experiment.items()}
    said = {
        key: _ONE[key] if key in _ONE and told[key] == "1" else text.format(told[key])
        for key, text in (_SEEN | _TRAINED).items()
        if key in told
    }
    sees = " ".join(said[key] for key in _SEEN if key in said)
    trained = [said[key] for key in _TRAINED if key in said and told[key] != "none"]
    lacking = [text for key, text in _LACKING.items() if told.get(key) == "none"]
    names = [write_name(grid, "backbone", name, dialect, cited=True) for name in grid.list_names("backbone")]
    whole = f"Backbone{'s' * (len(names) > 1)} {_list(names)} {sees}".rstrip()
    return "; ".join(filter(None, (whole, ", ".join([*trained, *lacking]))))


def _tuned_keys(grid: Grid) -> list[str]:
    keys = grid.experiment.get("tuning.keys", "none")
    return [] if keys == "none" else keys.split()


def _explain_tuning(grid: Grid, dialect: Dialect) -> str:
    """What each norm and strategy has values of its own for, and how these were found; nothing without."""
    keys = _tuned_keys(grid)
    own = [
        key for key in keys if key.startswith(SECTION) or any(_has(name, key) for name in grid.list_names("strategy"))
    ]
    if not own:
        return ""
    own.sort(key=lambda key: not key.startswith(SECTION))
    tuned = _list([dialect.escape(_TITLES.get(key, key)) for key in own])
    return f"Tuned {dialect.escape(grid.experiment['tuning'])}: {tuned}"


def _has(strategy: str, key: str) -> bool:
    """Whether a searched option is one of a strategy's."""
    spec = STRATEGIES.parse_own(strategy)
    return spec is None or spec.name == key.rpartition(".")[0]


def _explain_strategies(grid: Grid, dialect: Dialect) -> Iterator[str]:
    """The options of each strategy as chosen, memory among them, defaults too; and how a memory passes the model."""
    recalls = False
    strategies = grid.list_names("strategy")
    for strategy in strategies:
        spec = STRATEGIES.parse_own(strategy)
        if spec is not None and spec.options:
            tuned = options_of(_tuned_keys(grid), spec.name)
            effective = spec.entry.list_effective(spec.kwargs, undecided=tuned)
            chosen = {key: write_plain(value) for key, value in effective.items() if value != "none"}
            words = {key: "tuned" if key in tuned else text for key, text in chosen.items()}
            options = ", ".join(f"{dialect.escape(key)} {text}" for key, text in words.items())
            yield f"{write_name(grid, 'strategy', strategy, dialect)}: {options}"
            recalls = recalls or "share" in spec.kwargs
    if recalls and (forward := grid.experiment.get("forward")) in _FORWARD:
        yield _FORWARD[forward]
    if grid.kept and all(strategy in grid.kept for strategy in strategies):
        kept = [f"{write_name(grid, 'strategy', name, dialect)} {_range(*grid.kept[name])}" for name in strategies]
        yield f"Kept beside the model, in MB: {', '.join(kept)}"


def _range(least: float, most: float) -> str:
    """One number, or from which to which."""
    low, high = (f"{value:.3g}" for value in (least, most))
    return low if low == high else f"{low} to {high}"


def _list(items: Sequence[object]) -> str:
    """In words: 26, 5 and 5."""
    before = ", ".join(map(str, items[:-1]))
    return f"{before} and {items[-1]}" if before else str(items[-1])


def _explain_values(grid: Grid, dialect: Dialect, *, level: str) -> str:
    """What a number is, and what is marked; with too few seeds, that nothing is."""
    n = len(grid.seeds)
    if n == 1:
        return "Values are in per cent, from a single seed (n = 1), so without an interval and without a mark"
    values = f"Values are in per cent: mean and half width of the {level} Student-t interval over seeds (n = {n})"
    if n < FEWEST:
        return f"{values}, which are too few to test: no mean is marked as best"
    if not dialect.legend:
        return values
    return f"{values}; {dialect.legend} within a {grid.axes[1]}{explain_marks(grid, dialect)}"


def explain_marks(grid: Grid, dialect: Dialect) -> str:
    """When a mean is marked, behind the words for its mark; nothing where there is nothing to compare."""
    named = [write_name(grid, grid.axes[0], row, dialect) for row in grid.bounds]
    aside = f" but for the upper bound{'s' * (len(named) > 1)} {_list(named)}" if named else ""
    if len(grid.rows) - len(named) < 2:
        return aside
    return f"{aside}, where it differs from each worse one: {_significant(dialect)}"


def _significant(dialect: Dialect) -> str:
    return f"p {dialect.escape('<')} {SIGNIFICANT} in the paired t-test, Holm-corrected"


def _explain_versus(grid: Grid, dialect: Dialect, *, level: str) -> str:
    if grid.versus is None:
        return ""
    versus = write_name(grid, grid.axes[0], grid.versus, dialect)
    difference = f"{write_versus(grid, dialect)}: mean difference to {versus} over pairs"
    if len(grid.seeds) == 1:
        return f"{write_versus(grid, dialect)}: difference to {versus} by the one seed, which tests nothing"
    said = [f"{difference} that share a seed, with its {level} Student-t interval"]
    if len(grid.seeds) < FEWEST:
        return "; ".join([*said, "with so few seeds none is tested"])
    said.append(f"{dialect.number(dialect.star)}: {_significant(dialect)} over the {plural(grid.axes[0])} of a column")
    if any(cell.difference is not None and math.isnan(cell.difference.p) for cell in grid.cells.values()):
        said.append("a difference that is the same in every pair cannot be tested, and has no star")
    return "; ".join(said)


def _explain_effect(grid: Grid, dialect: Dialect) -> str:
    """What an effect size is, where the table has some."""
    if not grid.effect:
        return ""
    formula = dialect.number("1 - 3 / (4n - 5)")
    said = (
        f"{dialect.number('g')}: Hedges' g of these differences, their mean over their standard deviation, times "
        f"{formula} for n pairs (Hedges 1981; Lakens 2013{dialect.cite(grid.cited.get(EFFECT, ()))})"
    )
    if any(cell.effect is not None and math.isnan(cell.effect) for cell in grid.cells.values()):
        said += f"; it is undefined ({MISSING}) for a difference that is the same in every pair"
    return said


def _has_gap(grid: Grid) -> bool:
    return not all(cell.complete for cell in grid.cells.values())
