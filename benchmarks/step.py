"""What a training step of LS-ViT costs over the bare ViT on the same frames, in time and in memory.

    .venv/bin/python benchmarks/step.py [--pairs 7] [--batches 4,8] [--precisions fp32,bf16] [--out step.json]

One step is forward, loss, backward and AdamW, at 112 px and T = 16. The reference is timm's ViT-Tiny on the frames of
the clips, its logits averaged. Beside `lsvit_tiny` and `lsvit_signed_tiny`, with both attention kernels, stands the
definition written out literally (`literal.py`), which is checked to give the same logits. All take turns in one
process, and a ratio is the median over the rounds, since a machine's speed drifts. Peak memory is that of a process
which does nothing else, less what it held before its first step.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from literal import LiteralLSViT
from torch import Tensor, nn

from clnorm.environment import peak_memory_mb, reset_peak_memory
from clnorm.execution.attention import set_attention
from clnorm.execution.precision import autocast
from clnorm.models.create import create_model

FRAMES, SIZE, CLASSES = 16, 112, 21
REFERENCE = "timm ViT-Tiny"


class FramesViT(nn.Module):
    """timm's ViT on every frame, the logits averaged."""

    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.vit = timm.create_model("vit_tiny_patch16_224", img_size=SIZE, num_classes=CLASSES)
        set_attention(self.vit, fused=fused)

    def forward(self, clips: Tensor) -> Tensor:
        return self.vit(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]).mean(1)


def ours(backbone: str, *, fused: bool) -> nn.Module:
    model = create_model(f"{backbone}:drop_path=0", num_classes=CLASSES, image_size=SIZE, num_frames=FRAMES)
    set_attention(model, fused=fused)
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    REFERENCE: lambda: FramesViT(fused=True),
    "timm ViT-Tiny, explicit": lambda: FramesViT(fused=False),
    "lsvit_tiny": lambda: ours("lsvit_tiny", fused=True),
    "lsvit_tiny, explicit": lambda: ours("lsvit_tiny", fused=False),
    "lsvit_signed_tiny": lambda: ours("lsvit_signed_tiny", fused=True),
    "literal": lambda: LiteralLSViT(image_size=SIZE, num_classes=CLASSES, fused=True),
    "literal, explicit": lambda: LiteralLSViT(image_size=SIZE, num_classes=CLASSES, fused=False),
}


def make_step(model: nn.Module, batch: int, precision: str, device: torch.device) -> Callable[[], float]:
    """A function that takes one training step and returns its seconds."""
    generator = torch.Generator().manual_seed(0)
    clips = (torch.rand(batch, FRAMES, 3, SIZE, SIZE, generator=generator) * 2 - 1).to(device)
    targets = torch.arange(batch, device=device)
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> float:
        started = time.perf_counter()
        optimizer.zero_grad()
        with autocast(device, precision):
            logits = model(clips)
        F.cross_entropy(logits.float(), targets).backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    return step


@torch.no_grad()
def check_literal() -> float:
    """The largest difference in logits between `lsvit_tiny` and the literal definition with its weights."""
    model, literal = ours("lsvit_tiny", fused=True), LiteralLSViT(image_size=SIZE, num_classes=CLASSES, fused=False)
    nn.init.normal_(model.head.weight)
    literal.load_state_dict(rename(model.state_dict()))
    clips = torch.rand(1, FRAMES, 3, SIZE, SIZE) * 2 - 1
    return (model.eval()(clips) - literal.eval()(clips)).abs().max().item()


def rename(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """clnorm's names without the adapter around each norm."""
    kinds = ("norm", "norm1", "norm2")
    renamed = {}
    for name, value in weights.items():
        *path, last = name.split(".")
        if path and path[-1] == "norm" and len(path) > 1 and path[-2] in kinds:
            path = path[:-1]
        renamed[".".join([*path, last])] = value
    return renamed


def compare(batch: int, precision: str, *, pairs: int, device: torch.device) -> dict[str, dict[str, float]]:
    """Seconds a step, and its ratio to the reference, of every model."""
    steps = {name: make_step(build(), batch, precision, device) for name, build in MODELS.items()}
    for step in steps.values():
        step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(pairs):
        for name, step in steps.items():
            seconds[name].append(step())
    return {
        name: {
            "seconds": round(statistics.median(taken), 4),
            "ratio": round(statistics.median(a / b for a, b in zip(taken, seconds[REFERENCE], strict=True)), 3),
        }
        for name, taken in seconds.items()
    }


def measure_memory(name: str, batch: int, precision: str, device: torch.device) -> float:
    """Megabytes that three steps of a model need beyond those of the process before them."""
    model = MODELS[name]()
    step = make_step(model, batch, precision, device)
    reset_peak_memory(device)
    before = peak_memory_mb(device)
    for _ in range(3):
        step()
    return peak_memory_mb(device) - before


def memory_in_a_process(name: str, batch: int, precision: str) -> float:
    command = [sys.executable, __file__, "--memory-of", name, "--batches", str(batch), "--precisions", precision]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--batches", default="4,8")
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    options = parser.parse_args()
    batches, precisions = [int(word) for word in options.batches.split(",")], options.precisions.split(",")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if options.memory_of:
        print(measure_memory(options.memory_of, batches[0], precisions[0], device))
        return
    difference = check_literal()
    print(f"lsvit_tiny and the literal definition differ by at most {difference:.1e} in their logits")
    results: list[dict[str, object]] = []
    for batch in batches:
        for precision in precisions:
            print(f"\nbatch {batch}, {precision}, {device}, {torch.get_num_threads()} threads, {options.pairs} rounds")
            for name, row in compare(batch, precision, pairs=options.pairs, device=device).items():
                memory = memory_in_a_process(name, batch, precision)
                results.append({"batch": batch, "precision": precision, "model": name, **row, "megabytes": memory})
                print(f"{name:<26}{row['seconds']:>9.3f} s{row['ratio']:>8.3f} x{memory:>9.0f} MB", flush=True)
    if options.out:
        options.out.write_text(json.dumps({"torch": torch.__version__, "rows": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
