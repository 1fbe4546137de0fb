"""The worker of a sweep: runs cells one after the other in one process; those that others are at come later."""

import time
from collections.abc import Sequence

from clnorm.environment import explain_missing
from clnorm.errors import ClnormError, UserError
from clnorm.experiment import run
from clnorm.launch.notes import Failures, Telling
from clnorm.launch.plan import Cell
from clnorm.progress import Reporter
from clnorm.results.folder import RunIsHeldError
from clnorm.training.states.stopping import StoppedError, remember_request

_PAUSE = 5.0  # seconds between two looks at runs that other processes hold


class FailedCellsError(ClnormError):
    """Cells of a sweep failed; the others are finished."""


def work(cells: Sequence[Cell], *, retries: int = 1, reporter: Reporter | None = None) -> None:
    """Run cells until each is finished, by this process or another, or has failed.

    A cell that fails is tried again after the others, unless the mistake is the user's; how often it failed is kept in
    the results folder, where all workers of the sweep read it.

    Args:
        cells: of one results folder.
        retries: how often a failed cell is tried again.
        reporter: told of the progress.

    Raises:
        FailedCellsError: some failed, with what each one's error is.
        ModuleNotFoundError: a package that runs need is not installed here; no cell counts as failed.
        StoppedError: the process was asked to stop; the run at work keeps its state.
    """
    if not cells:
        return
    reporter = reporter or Reporter()
    failures, told, left = Failures(cells[0].config.out), set[str](), list(range(len(cells)))
    with Telling(cells[0].config.out, reporter) as telling, remember_request() as request:
        while left:
            again = []
            for index in left:
                if request.name:
                    raise StoppedError(f"stopped by {request.name} when a run was finished")
                cell = cells[index]
                failed = failures.find(cell.run)
                if failed is not None and failed.is_final(retries):
                    continue
                if cell.run not in told:
                    reporter.note(f"[{index + 1}/{len(cells)}] {cell.name}")
                if not _run_cell(cell, failures, telling, is_told=cell.run in told):
                    again.append(index)
                told.add(cell.run)
            if again == left:  # nothing else to do meanwhile
                time.sleep(_PAUSE)
            left = again
    refuse_failures(cells, reporter)


def refuse_failures(cells: Sequence[Cell], reporter: Reporter) -> None:
    """Tell of all cells that failed, and raise `FailedCellsError` where there are any."""
    failures = Failures(cells[0].config.out) if cells else None
    found = [(cell, failure) for cell in cells if failures and (failure := failures.find(cell.run)) is not None]
    if found:
        for cell, failure in found:
            tried = f", {failure.attempts} times" if failure.attempts > 1 else ""
            reporter.note(f"Failed{tried}: {cell.name}: {failure.what}")
        hint = "the others are finished; mend what is wrong, and give the same command again"
        raise FailedCellsError(f"{len(found)} of {len(cells)} runs failed, each with the reason above", hint=hint)


def _run_cell(cell: Cell, failures: Failures, telling: Telling, *, is_told: bool) -> bool:
    """Run a cell; whether nothing of it is left to do."""
    telling.begin(cell.run)
    try:
        run(cell.config, reporter=telling)
    except RunIsHeldError as error:
        if not is_told:
            telling.note(f"Left for later: {error.where}: {error.what}.")
        return False
    except StoppedError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and explain_missing(error.name or "", where="worker"):
            raise  # it is this machine that no cell can run on
        # Whatever it is, the other cells do not depend on it.
        text = str(error) if isinstance(error, ClnormError) else f"{type(error).__name__}: {error}"
        failures.add(cell.run, text, is_mistake=isinstance(error, UserError))
        telling.note(f"Failed: {cell.name}: {text}")
        return False
    finally:
        telling.begin("")
    failures.forget(cell.run)
    return True
