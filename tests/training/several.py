"""Runs of a JSON file's cases, in a script for torchrun, in float64; without torchrun, those to be compared with.

Every process but the first has an output folder of its own, in which nothing may be.
"""

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from ddp import compute_in_double

from clnorm.config.load import merge_config
from clnorm.errors import ClnormError
from clnorm.experiment import run
from clnorm.training.trainer import ClipStrategy


def stop_at(step):
    """Have a process ask itself to stop when a run has done so many steps."""
    done = 0

    def after_step(self):
        nonlocal done
        done += 1
        if done == step:
            os.kill(os.getpid(), signal.SIGTERM)
        keep(self)

    keep = ClipStrategy.after_step
    ClipStrategy.after_step = after_step
    return lambda: setattr(ClipStrategy, "after_step", keep)


def main(folder):
    compute_in_double()
    alone, rank = "RANK" not in os.environ, int(os.environ.get("RANK", 0))
    results = []
    for case in json.loads((folder / "cases.json").read_text()):
        if alone and not case.get("alone"):
            continue
        out = folder / f"{case['out']}{'-alone' if alone else '' if rank == 0 else f'-of-{rank}'}"
        stopping = case.get("stop") == rank
        undo = stop_at(case["step"]) if stopping else None
        try:
            record = run(merge_config({}, {**case["config"], "out": str(out)}))
            results.append({"run": record.run, "matrix": record.matrix})
        except ClnormError as error:
            results.append({"error": f"{type(error).__name__}: {error}"})
        finally:
            if undo is not None:
                undo()
    (folder / f"results-{'alone' if alone else rank}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
