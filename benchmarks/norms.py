"""What each norm costs, forward and backward, beside torch's functions: time as ratios of pairs, and peak memory.

    .venv/bin/python benchmarks/norms.py [--rounds 9] [--shapes 256x65x192,128x197x768] [--dtypes fp32,bf16]
        [--kernels torch,native] [--norms cn,bn] [--out norms.json]

All take turns in one process; a ratio is the median over the rounds, each against the same round of the other, since a
machine's speed drifts. `over torch` is against the fastest composition of torch's functions that does the same
(`compositions.py`); `over bn` and `over layer_norm` against F.batch_norm on rows and F.layer_norm. Memory is the most
that was allocated at a time, in units of the input, counted by torch's profiler.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from compositions import CLIPS, Compositions
from torch import Tensor, nn

from clnorm.card.cost import peak_memory
from clnorm.catalogue import NORMS
from clnorm.norms import StepContext, build_norm, provide_context, take_auxiliary_loss
from clnorm.norms.kernels.passes import use_passes

CURRENT = 2
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
Pass = Callable[[], object]


def make_passes(
    names: list[str], shape: tuple[int, int, int], dtype: torch.dtype, kernels: list[str]
) -> dict[str, list[Pass]]:
    """Of each norm (`cn`, or `cn native`) and of each composition (`torch cn`), forward and backward passes to time."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).to(dtype).requires_grad_()
    dy = torch.randn(shape, generator=generator).to(dtype)

    def one(function: Callable[[Tensor], Tensor], parameters: Iterable[Tensor], select: str) -> Pass:
        wanted = [x, *parameters]

        def go() -> object:
            with use_passes(select):
                y = function(x)
                loss = take_auxiliary_loss(function) if isinstance(function, nn.Module) else compositions.take_loss()
                outputs, gradients = ([y], [dy]) if loss is None else ([y, loss], [dy, None])
                return torch.autograd.grad(outputs, wanted, gradients, allow_unused=True)

        return go

    compositions = Compositions(shape[2])
    passes = {
        f"torch {name}": [one(tried, compositions.parameters, "torch") for tried in compositions.all()[name]]
        for name in dict.fromkeys(["bn", "ln", *names])
        if name in compositions.all()
    }
    for name in names:
        for select in kernels:
            norm = build_norm(name, shape[2])
            provide_context(norm, make_context(name))
            passes[name if select == "torch" else f"{name} {select}"] = [one(norm, norm.parameters(), select)]
    return passes


def make_context(norm: str) -> StepContext:
    """Half of the batch is of the third experience, half memory of the first; bn_frozen is in its first, and trains."""
    if norm == "bn_frozen":
        return StepContext(torch.zeros(CLIPS, dtype=torch.long), experience=0, progress=0.5)
    return StepContext(CURRENT * (torch.arange(CLIPS) < CLIPS // 2), experience=CURRENT, progress=0.5)


def time_all(passes: dict[str, list[Pass]], *, rounds: int) -> dict[str, list[list[float]]]:
    """Milliseconds of every pass in every round, after one that is not counted."""
    times: dict[str, list[list[float]]] = {name: [[] for _ in tried] for name, tried in passes.items()}
    for number in range(rounds + 1):
        for name, tried in passes.items():
            for go, taken in zip(tried, times[name], strict=True):
                started = time.perf_counter()
                go()
                if number:
                    taken.append(1000 * (time.perf_counter() - started))
    return times


def ratio(times: list[float], others: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(times, others, strict=True)), 2)


def fastest(tried: list[list[float]]) -> list[float]:
    return min(tried, key=statistics.median)


def measure(
    names: list[str], shape: tuple[int, int, int], dtype: str, *, rounds: int, kernels: list[str]
) -> list[dict[str, object]]:
    passes = make_passes(names, shape, DTYPES[dtype], kernels)
    times = time_all(passes, rounds=rounds)
    batch, layer = (fastest(times[f"torch {name}"]) for name in ("bn", "ln"))
    unit = shape[0] * shape[1] * shape[2] * DTYPES[dtype].itemsize
    rows = []
    for name, tried in times.items():
        own, rival = fastest(tried), times.get(f"torch {name.split()[0]}")
        rows.append(
            {
                "norm": name,
                "ms": round(statistics.median(own), 2),
                "least ms": round(min(own), 2),
                "over torch": ratio(own, fastest(rival)) if rival and not name.startswith("torch") else None,
                "over bn": ratio(own, batch),
                "over layer_norm": ratio(own, layer),
                "memory": min(round(peak_memory(go) / unit, 2) for go in passes[name]),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--shapes", default="256x65x192,128x197x768")
    parser.add_argument("--dtypes", default="fp32,bf16")
    parser.add_argument("--kernels", default="torch,native")
    parser.add_argument("--norms", help="of the catalogue; by default all")
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    options = parser.parse_args()
    names = options.norms.split(",") if options.norms else NORMS.names()
    results = []
    for text in options.shapes.split(","):
        samples, length, channels = map(int, text.split("x"))
        for dtype in options.dtypes.split(","):
            print(f"\n({samples}, {length}, {channels}) {dtype}, {torch.get_num_threads()} threads, CPU")
            shape, kernels = (samples, length, channels), options.kernels.split(",")
            rows = measure(names, shape, dtype, rounds=options.rounds, kernels=kernels)
            results.append({"shape": [samples, length, channels], "dtype": dtype, "rows": rows})
            print(f"{'':<20}" + "".join(f"{column:>16}" for column in list(rows[0])[1:]))
            for row in rows:
                words = ["--" if value is None else str(value) for value in list(row.values())[1:]]
                print(f"{row['norm']:<20}" + "".join(f"{word:>16}" for word in words), flush=True)
    if options.out:
        options.out.write_text(json.dumps({"torch": torch.__version__, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
