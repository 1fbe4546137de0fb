"""What runs will take, before they begin."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clnorm.cli.output import print_text
from clnorm.progress import Reporter

if TYPE_CHECKING:
    from clnorm.config.config import Config
    from clnorm.launch.estimate import Estimate


def is_affordable(options: argparse.Namespace, configs: "Sequence[Config]", reporter: Reporter) -> bool:
    """Estimate where that is asked for; whether the runs are to begin.

    Raises:
        UserError: they take more than `--max-hours`.
    """
    if not options.estimate and options.max_hours is None:
        return True
    from clnorm.launch.estimate import estimate_cells
    from clnorm.launch.plan import plan_sweep

    estimate = estimate_cells(plan_sweep(configs, reporter=reporter).cells, reporter=reporter)
    if options.estimate:
        print_text(describe_estimate(estimate))
    if options.max_hours is not None:
        estimate.refuse_over(options.max_hours)
    return not options.estimate


def describe_estimate(estimate: "Estimate") -> str:
    """Hours by what takes them and by norm and strategy, disk and memory."""
    rows = [(" x ".join(names), seconds) for names, seconds in estimate.names.items()]
    parts = {"train": "training", "evaluate": "evaluation", "start": "starting", "decode": "decoding, once"}
    took = [(text, estimate.seconds[name]) for name, text in parts.items()]
    width = max(len(text) for text, _ in [*rows, *took])
    lines = [f"{estimate.cells} runs that are not finished: {_hours(3600 * estimate.hours)} of one process"]
    lines += [f"  {text:<{width}}  {_hours(seconds):>9}" for text, seconds in [*took, *rows]]
    if estimate.saved:
        lines.append(f"shared beginnings save {_hours(estimate.saved)}, which is not counted above")
    lines.append(f"disk: {estimate.disk_bytes / 1e9:.2f} GB, memory of a process: {estimate.memory_mb / 1e3:.1f} GB")
    return "\n".join(lines)


def _hours(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
