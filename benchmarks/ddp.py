"""One run on several processes against the same run on one: weights and accuracy matrix, for norms x strategies.

    python benchmarks/ddp.py [--processes 2 4] [--norms cn bn] [--single] [--control]

Every process is one of gloo's on this machine's CPU. Batches divide unevenly, and the last one of an epoch has fewer
clips than there are processes of four. Told is |w - w'| / |w| over all weights and statistics after the last
experience, and whether the matrices are the same.

By default all is computed in float64, where a difference is one of the method: in float32 AdamW divides gradients
that are zero but for rounding, such as those of a bias before Batch Normalization, by their own size. `--single`
computes as runs do.

`--control` adds one process whose first weights are off by their last digits: how far rounding alone carries a run.
With ewc it carries some far in float64, too: a bias before Batch Normalization stands where the penalty is least, and
AdamW, which divides by the size of the gradient, drives it from there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import torch

from clnorm.catalogue import NORMS
from clnorm.config.load import merge_config
from clnorm.experiment import run
from clnorm.ranks import connect

ROOT = Path(__file__).parents[1]
STRATEGIES = ("naive", "replay:per_class=2", "ewc")
CONFIG = {
    "dataset": "synthetic:classes=6,train=5,test=2",
    "protocol": "even:experiences=3",
    "backbone": "vit_nano",
    "data.frames": 4,
    "data.image_size": 16,
    "train.epochs": 1,
    "train.batch_size": 8,
    "train.device": "cpu",
    "save.prefixes": "none",
}


def compute_in_double() -> None:
    """Have all runs of this process computed in float64, up to the loss and its gradients."""
    from clnorm.execution import inputs
    from clnorm.training import batch, trainer

    def to_input(clips: torch.Tensor) -> torch.Tensor:
        return clips.double().mul_(2 / 255).sub_(1)

    def criterion(self: trainer.ClipStrategy) -> torch.Tensor:
        return self.classify(self.mb_output, self.batch)

    torch.set_default_dtype(torch.float64)
    inputs.pixels_to_input = batch.pixels_to_input = to_input
    trainer.ClipStrategy.criterion = criterion


def nudge() -> None:
    """Have all runs of this process begin with weights that are off by their last digits."""
    from clnorm.training import loop

    def share_model(model: torch.nn.Module, ranks: object) -> None:
        torch.manual_seed(1)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(1 + 2 * torch.finfo(weight.dtype).eps * torch.randn_like(weight))

    loop.share_model = share_model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--norms", nargs="+", default=NORMS.names())
    parser.add_argument("--single", action="store_true")
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--nudged", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        work(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {count: start(count, options, Path(folder) / str(count)) for count in (1, *options.processes)}
        if options.control:
            found[0] = start(1, options, Path(folder) / "control", "--nudged")
        print_table(found, options)


def start(count: int, options: argparse.Namespace, folder: Path, *more: str) -> dict[str, dict]:
    """The runs of `count` processes, by norm and strategy."""
    folder.mkdir()
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []
    command = [sys.executable, *launcher, __file__, "--worker", str(folder), "--norms", *options.norms]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    subprocess.run([*command, *more, *(["--single"] if options.single else [])], check=True, env=environment)
    sys.stderr.write(f"{count} processes: {time.monotonic() - began:.0f} s\n")
    return json.loads((folder / "runs.json").read_text())


def work(options: argparse.Namespace) -> None:
    if not options.single:
        compute_in_double()
    if options.nudged:
        nudge()
    found = {}
    for norm, strategy in product(options.norms, STRATEGIES):
        config = {**CONFIG, "norm": norm, "strategy": strategy, "out": str(options.worker / "runs")}
        record = run(merge_config({}, config))
        found[f"{norm} {strategy.partition(':')[0]}"] = {
            "weights": str(options.worker / "runs" / record.run / "model.safetensors"),
            "matrix": record.matrix,
        }
    if connect().first:
        (options.worker / "runs.json").write_text(json.dumps(found))


def print_table(found: dict[int, dict[str, dict]], options: argparse.Namespace) -> None:
    columns = ["norm", "strategy", *(f"{count} processes" for count in options.processes)]
    columns += [*(["1 process, nudged"] if options.control else []), "same matrix"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    worst = 0.0
    for name, alone in found[1].items():
        norm, strategy = name.split()
        others = [found[count][name] for count in options.processes]
        apart = [difference(alone["weights"], other["weights"]) for other in others]
        same = all(other["matrix"] == alone["matrix"] for other in others)
        worst = max(worst, *apart)
        control = [difference(alone["weights"], found[0][name]["weights"])] if options.control else []
        cells = [f"{each:.1e}" for each in [*apart, *control]]
        print(f"| {norm} | {strategy} | {' | '.join(cells)} | {'yes' if same else 'NO'} |")
    print(f"\nlargest: {worst:.1e}")


def difference(one: str, other: str) -> float:
    """|w - w'| / |w| over all weights and running statistics."""
    from safetensors.torch import load_file

    first, second = load_file(one), load_file(other)
    pairs = [(first[name].double(), second[name].double()) for name in first]
    return float((sum(((a - b) ** 2).sum() for a, b in pairs) / sum((a**2).sum() for a, _ in pairs)) ** 0.5)


if __name__ == "__main__":
    main()
