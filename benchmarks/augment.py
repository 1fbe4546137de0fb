"""What augmenting a batch costs beside a training step of `lsvit_tiny`, and beside torchvision and kornia.

    .venv/bin/python benchmarks/augment.py [--rounds 7] [--batch 16] [--kornia] [--out augment.json]

A batch is `--batch` clips of 16 x 3 x 112 x 112, and a step is forward, loss, backward and AdamW in fp32. Presets and
single operations of clnorm and of the libraries, set to the same limits, take turns with the step in one process; a
ratio is the median over the rounds, since a machine's speed drifts. torchvision draws once for what it is given, so
it is given one clip at a time; kornia takes the batch, `same_on_frame`. `--kornia` needs kornia, which clnorm does not.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from step import FRAMES, SIZE, make_step, ours
from torch import Tensor
from torchvision.transforms import v2

from clnorm.catalogue import AUGMENTATIONS
from clnorm.data.augment.presets import create_augmentation

Change = Callable[[Tensor], Tensor]
_OFF = {"flip": 0, "min_scale": 1, "stretch": 1, "contrast": 0, "saturation": 0, "brightness": 0}
_LIGHT = {"flip": 0.5, "min_scale": 0.6, "stretch": 1.15, "contrast": 0.3, "saturation": 0.3, "brightness": 0.3}
_CROP, _COLOURS = ("min_scale", "stretch"), ("contrast", "saturation", "brightness")

OURS = {
    "light": "light",
    "strong": "strong",
    **{
        name: "light:" + ",".join(f"{key}={value}" for key, value in {**_OFF, **changes}.items())
        for name, changes in {
            "flip": {"flip": 0.5},
            "crop": {key: _LIGHT[key] for key in _CROP},
            "brightness": {"brightness": 0.3},
            "contrast": {"contrast": 0.3},
            "saturation": {"saturation": 0.3},
            "hue": {"hue": 0.1},
            "colours": {**{key: _LIGHT[key] for key in _COLOURS}, "hue": 0.1},
            "blur": {"blur": 2},
            "noise": {"noise": 0.2},
            "erase": {"erase": 0.3},
        }.items()
    },
}


def clnorm_change(text: str, batch: int) -> Change:
    """What a text of the grammar names."""
    augment, generator = create_augmentation(AUGMENTATIONS.parse(text), ["class"]), torch.Generator().manual_seed(0)
    labels = torch.zeros(batch, dtype=torch.int64)
    return lambda clips: augment(clips, labels, generator=generator)


def torchvision_changes() -> dict[str, Change]:
    """The operations of torchvision on pixels in [0, 1]; `strong` is its RandAugment after crop and flip."""
    flip = v2.RandomHorizontalFlip(0.5)
    crop = v2.RandomResizedCrop(SIZE, scale=(0.36, 1), ratio=(1 / 1.15, 1.15))
    light = v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3)
    changes = {
        "light": v2.Compose([crop, flip, light]),
        "strong": v2.Compose([v2.RandomResizedCrop(SIZE, scale=(0.16, 1)), flip, v2.RandAugment(num_ops=3)]),
        "flip": flip,
        "crop": crop,
        "brightness": v2.ColorJitter(brightness=0.3),
        "contrast": v2.ColorJitter(contrast=0.3),
        "saturation": v2.ColorJitter(saturation=0.3),
        "hue": v2.ColorJitter(hue=0.1),
        "colours": v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
        "blur": v2.GaussianBlur(13, sigma=(0.1, 2)),
        "noise": v2.GaussianNoise(sigma=0.1),
        "erase": v2.RandomErasing(1, scale=(0.02, 0.3), value=0.5),
    }
    return {
        name: lambda clips, change=change: torch.stack([change(clip) for clip in clips])
        for name, change in changes.items()
    }


def kornia_changes() -> dict[str, Change]:
    """The operations of kornia on pixels in [0, 1]; its RandAugment does not take videos, `strong` is three of them."""
    import kornia.augmentation as K

    flip = K.RandomHorizontalFlip(p=0.5)
    crop = K.RandomResizedCrop((SIZE, SIZE), scale=(0.36, 1), ratio=(1 / 1.15, 1.15))
    blur, noise = K.RandomGaussianBlur((13, 13), (0.1, 2), p=1), K.RandomGaussianNoise(std=0.1, p=1)
    erase = K.RandomErasing(scale=(0.02, 0.3), value=0.5, p=1)
    changes = {
        "light": [crop, flip, K.ColorJiggle(0.3, 0.3, 0.3)],
        "flip": [flip],
        "crop": [crop],
        "brightness": [K.ColorJiggle(brightness=0.3)],
        "contrast": [K.ColorJiggle(contrast=0.3)],
        "saturation": [K.ColorJiggle(saturation=0.3)],
        "hue": [K.ColorJiggle(hue=0.1)],
        "colours": [K.ColorJiggle(0.3, 0.3, 0.3, 0.1)],
        "blur": [blur],
        "noise": [noise],
        "erase": [erase],
    }
    return {name: K.VideoSequential(*parts, data_format="BTCHW", same_on_frame=True) for name, parts in changes.items()}


def timed(call: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--kornia", action="store_true")
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    clips = (torch.rand(options.batch, FRAMES, 3, SIZE, SIZE) * 2 - 1).to(device)
    unit = (clips + 1) / 2
    changes = {("clnorm", name): clnorm_change(text, options.batch) for name, text in OURS.items()}
    libraries = {"torchvision": torchvision_changes(), **({"kornia": kornia_changes()} if options.kornia else {})}
    changes |= {(library, name): change for library, parts in libraries.items() for name, change in parts.items()}
    step = make_step(ours("lsvit_tiny", fused=True), options.batch, "fp32", device)
    given = {key: clips if key[0] == "clnorm" else unit for key in changes}
    step()
    for key, change in changes.items():
        change(given[key])
    rounds = []
    for number in range(options.rounds):
        seconds = {key: timed(lambda key=key: changes[key](given[key]), device) for key in changes}
        rounds.append((step(), seconds))
        print(f"round {number + 1} of {options.rounds}", flush=True)
    report(rounds, [*libraries], options, device)


def report(rounds: list[tuple[float, dict]], libraries: list[str], options: argparse.Namespace, device: object) -> None:
    """Seconds, share of the step, and how many times as long a library takes."""
    step = statistics.median(seconds for seconds, _ in rounds)
    print(f"\nbatch {options.batch}, {device}, {torch.get_num_threads()} threads; a step takes {step:.3f} s")
    print(f"{'':<12}{'ms':>8}{'of a step':>12}" + "".join(f"{library + ' takes':>20}" for library in libraries))
    rows = []
    for name in OURS:
        own = ("clnorm", name)
        row = {
            "name": name,
            "seconds": statistics.median(seconds[own] for _, seconds in rounds),
            "of_a_step": statistics.median(seconds[own] / step for step, seconds in rounds),
        }
        line = f"{name:<12}{row['seconds'] * 1e3:>8.1f}{row['of_a_step']:>12.2%}"
        for library in libraries:
            if (library, name) in rounds[0][1]:
                row[library] = statistics.median(seconds[library, name] / seconds[own] for _, seconds in rounds)
                line += f"{row[library]:>18.1f} x"
            else:
                line += f"{'-':>20}"
        rows.append(row)
        print(line)
    if options.out:
        text = json.dumps({"torch": torch.__version__, "step_seconds": step, "rows": rows}, indent=2)
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
