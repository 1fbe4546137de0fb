"""Folders of runs for reports: as a sweep leaves them, and what else may lie there."""

from dataclasses import replace
from pathlib import Path

from benchmarks.report import make_run
from clnorm.results.explanation import write_explanation
from clnorm.results.folder import RunFolder
from clnorm.results.record import RunRecord, read_record
from tests.results.kept import EXPLANATION

SEEDS = (0, 1, 2)
SMALL = {"classes": 6, "test": 5, "train.epochs": 2}
EVIL = '</script><img src=x onerror="document.title=1">&\x1b[2J\u202eb\udcff'


def make_grid(root: Path, *, norms=("cn", "bn"), strategies=("naive", "replay"), seeds=SEEDS, **changes) -> None:
    """A run of each norm under each strategy with each seed, of six classes in three experiences."""
    for norm in norms:
        for strategy in strategies:
            for seed in seeds:
                make_run(root, norm=norm, strategy=strategy, seed=seed, sites=seed == 0, **{**SMALL, **changes})


def rewrite(folder: Path, **changes) -> RunRecord:
    """Change the record in a run's folder."""
    record = replace(read_record(folder / "record.json"), **changes)
    RunFolder(folder).write("record.json", record.to_json())
    return record


def find_run(root: Path, name: str) -> Path:
    """The folder of the one run with a part in its name."""
    (folder,) = root.glob(f"*{name}*")
    return folder


def leave_unfinished(root: Path, name: str) -> Path:
    """Make a run one that was stopped after its first experience."""
    folder = find_run(root, name)
    rewrite(folder, status="unfinished", matrix=[], metrics={}, cost={}, data={})
    (folder / "predictions.parquet").unlink()
    (folder / "predictions").mkdir()
    (folder / "predictions" / "after_0.parquet").write_bytes(b"")
    return folder


def explain(folder: Path) -> None:
    write_explanation(folder, replace(EXPLANATION, run=folder.name))


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
