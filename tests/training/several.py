"""Runs under torchrun, in a script: each case of a JSON file, in each process; the first one's results are written.

Every process but the first has an output folder of its own, in which nothing may be.
"""

import json
import os
import signal
import sys
from pathlib import Path

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
    rank = int(os.environ["RANK"])
    results = []
    for case in json.loads((folder / "cases.json").read_text()):
        out = folder / f"{case['out']}{'' if rank == 0 else f'-of-{rank}'}"
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
    (folder / f"results-{rank}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
