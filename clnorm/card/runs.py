"""The runs of a card: one norm and the three that it is compared with, on a small synthetic stream, paired by seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clnorm.card.parts import REFERENCES
from clnorm.catalogue import NORMS
from clnorm.config.config import Config
from clnorm.config.load import merge_config
from clnorm.errors import Mistakes, UserError
from clnorm.streams.view import describe_stream

FOLDER = "runs/cards"
"""Where the runs of all cards go, so that one norm's references are the next one's."""
SEEDS = 5
STRATEGIES = ("naive", "replay")
STREAM: dict[str, Any] = {
    "dataset": "synthetic:classes=10,train=25,test=20",
    "protocol": "even:experiences=5",
    "data.frames": 8,
}
"""Small enough that a norm and its three references take 20 minutes on two cores: 40 runs of 35,000 clips each."""

_VARIED = ("norm", "strategy", "seed")
_NEEDED: dict[str, Any] = {"eval.plasticity": True, "keep_model": False}


def list_norms(norm: str) -> list[str]:
    """The norm and its references, in short, the norm first, none twice."""
    return list(dict.fromkeys(NORMS.parse(name).short for name in (norm, *REFERENCES)))


def create_configs(
    norm: str, *, folder: str = FOLDER, seeds: int = SEEDS, overrides: Mapping[str, Any] | None = None
) -> list[Config]:
    """The configurations of all runs, the seed varying slowest, so that what is stopped early is paired.

    Args:
        norm: the norm.
        folder: that the runs go into.
        seeds: how many, from 0.
        overrides: values by dotted key that win over `STREAM`.

    Raises:
        UserError: what the card varies or needs is given, fewer than two seeds, an illegal configuration, a dataset
            that cannot be listed, or a single experience, after which nothing is forgotten.
    """
    given, mistakes = dict(overrides or {}), Mistakes()
    for key in [*_VARIED, *_NEEDED, "out"]:
        if key in given:
            hint = {"norm": "give the norm first", "out": "use --runs", "seed": "use --seeds"}.get(key, "leave it out")
            mistakes.add(UserError(f"{key!r} is decided by the card", where="--set", hint=hint))
    if not 2 <= seeds <= 100:
        mistakes.add(UserError(f"{seeds} seeds have no interval", where="--seeds", legal="2 to 100"))
    mistakes.refuse()
    shared = {**STREAM, **_NEEDED, **given, "out": folder}
    configs = [
        merge_config({}, {**shared, "norm": name, "strategy": strategy, "seed": seed})
        for seed in range(seeds)
        for strategy in STRATEGIES
        for name in list_norms(norm)
    ]
    _check_experiences(configs[0])
    return configs


def _check_experiences(config: Config) -> None:
    """Refuse a stream of which a card could say nothing, before anything is run.

    Raises:
        UserError: it is of one experience, or what it is cannot be told.
    """
    root = None if config.data.root is None else Path(config.data.root).expanduser()
    stream = describe_stream(config.protocol, config.dataset, root, seed=config.seed)
    if config.train.experiences == 1:
        raise UserError("1 experience leaves nothing to forget", where="train.experiences", legal="2 or more, or 0")
    if len(stream.experiences) < 2:
        what = f"{config.protocol.short} has 1 experience, and a card tells of forgetting and drift"
        raise UserError(what, where="protocol", hint="choose one of two or more: clnorm list protocols")


def describe_runs(configs: Sequence[Config]) -> str:
    """What the runs share, in a line."""
    first = configs[0]
    seeds = sorted({config.seed for config in configs})
    return (
        f"{len(configs)} runs: {first.dataset.short}, {first.protocol.short}, {first.backbone.short}, "
        f"{first.data.frames} frames of {first.data.image_size} pixels, train.epochs={first.train.epochs}, "
        f"seeds {seeds[0]} to {seeds[-1]}"
    )
