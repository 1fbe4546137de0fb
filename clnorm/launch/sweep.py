"""A sweep: all of its cells are finished where it returns, whatever ran them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from clnorm.catalogue import LAUNCHERS
from clnorm.catalogue.registry import Spec
from clnorm.config.config import Config
from clnorm.errors import UserError
from clnorm.launch.grid import name_cells
from clnorm.launch.job import Job
from clnorm.launch.manifest import FOLDER, write_manifest
from clnorm.launch.notes import Failures
from clnorm.launch.plan import Cell, plan_sweep
from clnorm.launch.status import SweepStatus
from clnorm.progress import Reporter
from clnorm.results.record import RunRecord


def sweep(
    configs: Sequence[Config],
    *,
    launcher: str = "local:processes=1",
    retries: int = 1,
    reporter: Reporter | None = None,
    show: Callable[[SweepStatus], None] | None = None,
) -> list[RunRecord]:
    """Run configurations; those that are finished are loaded, and those that another process holds are waited for.

    What is left to do is read from the results folder, so that the same sweep given again goes on where it was
    stopped, and one with more cells does these.

    Args:
        configs: all with one `out`.
        launcher: where they are executed; by default in this process, which knows what was registered in it, and others
            do not.
        retries: how often a failed run is tried again.
        reporter: told of the progress.
        show: shown the status of a sweep with several processes every second or so.

    Returns:
        The records, in the same order; of a launcher that submits and does not wait, those of the finished runs.

    Raises:
        UserError: configurations with several results folders, or an unknown launcher.
        FailedCellsError: runs failed; all others are finished.
        StoppedError: the process was asked to stop; the runs at work keep their states.
    """
    reporter = reporter or Reporter()
    if not configs:
        return []
    engine = LAUNCHERS.parse(launcher, where="launcher")
    if others := {config.out for config in configs} - {configs[0].out}:
        what = f"the runs go into {configs[0].out} and {min(others)}"
        raise UserError(what, where="out", hint="give one results folder to all runs of a sweep")
    plan = plan_sweep(configs, reporter=reporter)
    is_over = launch(plan.cells, engine, retries=retries, reporter=reporter, show=show or (lambda status: None))
    return plan.records if is_over else plan.finished_records


def preview(configs: Sequence[Config], launcher: str, *, retries: int = 1) -> str:
    """What a launcher would start for configurations, none of which is finished; nothing is made, read or started."""
    texts: list[str] = []
    cells = [Cell(name, "", config) for name, config in zip(name_cells(configs), configs, strict=True)]
    manifest = Path(configs[0].out).expanduser() / FOLDER / "MANIFEST.json"
    job = Job(manifest, dict(enumerate(cells)), retries, Reporter(), lambda status: None, texts.append)
    LAUNCHERS.parse(launcher, where="launcher").build(job)
    return "\n".join(texts)


def launch(
    cells: Sequence[Cell],
    engine: Spec,
    *,
    retries: int,
    reporter: Reporter,
    show: Callable[[SweepStatus], None],
) -> bool:
    """Have a launcher run those of the cells that are not finished; whether all are now. Raises as `sweep`."""
    left = {index: cell for index, cell in enumerate(cells) if not cell.is_finished}
    reporter.note(f"{len(cells)} runs, of which {len(cells) - len(left)} are finished. {cells[0].config.out}")
    if not left:
        return True
    manifest, failures = write_manifest(cells), Failures(cells[0].config.out)
    for cell in left.values():
        failures.forget(cell.run)  # whoever gives the command again has mended something
    return bool(engine.build(Job(manifest, left, retries, reporter, show)))
