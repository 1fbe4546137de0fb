"""What a launcher is given: the cells that are left, and the command that runs them anywhere."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clnorm.catalogue.registry import Spec
from clnorm.config.config import Config
from clnorm.errors import UserError
from clnorm.launch.plan import Cell
from clnorm.launch.status import SweepStatus
from clnorm.progress import Reporter


@dataclass(frozen=True)
class Job:
    """The unfinished cells of a sweep.

    Args:
        manifest: the file that all cells stand in.
        cells: those to run, by their index in it.
        retries: how often a failed cell is tried again.
        reporter: told of the progress.
        show: shown the status of the sweep every second or so, while it runs here.
        preview: given what would be started, as text, in a dry run; nothing is started then.
    """

    manifest: Path
    cells: dict[int, Cell]
    retries: int
    reporter: Reporter
    show: Callable[[SweepStatus], None]
    preview: Callable[[str], None] | None = None

    @property
    def out(self) -> str:
        """The results folder."""
        return next(iter(self.cells.values())).config.out

    def command(self, indices: Sequence[int]) -> list[str]:
        """The command that runs some of the cells, in the order given."""
        return self.write_command(write_indices(indices))

    def write_command(self, index: str) -> list[str]:
        """The command with a text in the place of the indices."""
        # What the user named for the sweep, this command's own manifest may name.
        plugins = sorted({name for cell in self.cells.values() for name in list_plugins(cell.config)})
        allowed = [word for name in plugins for word in ("--allow-plugin", name)]
        words = ["worker", str(self.manifest.absolute()), "--index", index]
        return [sys.executable, "-m", "clnorm", *words, "--retries", str(self.retries), *allowed]

    def bundle(self, size: int, *, at_once: int = 0, only: Iterable[int] | None = None) -> list[list[int]]:
        """The cells, or only some of them, in parts of `size`.

        Cells that begin alike stand one after the other; where `at_once` parts run at a time, these are of different
        places, so that none waits for the beginning that another one trains.
        """
        indices = list(self.cells if only is None else only)
        parts = [indices[start : start + size] for start in range(0, len(indices), size)]
        if not at_once:
            return parts
        stride = -(-len(parts) // at_once)
        return [parts[place] for first in range(stride) for place in range(first, len(parts), stride)]


def refuse_automatic(job: Job, *, where: str) -> None:
    """Refuse cells that are other runs on other machines than this one, which looks for them by their names here.

    Raises:
        UserError: there are such.
    """
    if any(cell.config.train.precision == "auto" for cell in job.cells.values()):
        what = "train.precision=auto is another precision, and so another run, on another machine"
        raise UserError(what, where=where, hint="name it, such as --set train.precision=bf16")


def list_plugins(config: Config) -> list[str]:
    """The plug-ins that a configuration names."""
    sections = [config, config.data, config.model, config.train, config.eval]
    specs = [value for section in sections for value in vars(section).values() if isinstance(value, Spec)]
    return [spec.name for spec in specs if spec.entry.source]


def write_indices(indices: Sequence[int]) -> str:
    """Indices as `--index` takes them: `0,4-7`, in their order."""
    parts: list[list[int]] = []
    for index in indices:
        if parts and index == parts[-1][-1] + 1:
            parts[-1][1:] = [index]
        else:
            parts.append([index])
    return ",".join("-".join(map(str, part)) for part in parts)
