"""Flags that several commands share, each the short form of a configuration key."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from clnorm.errors import UserError

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

FLAGS = {
    "norm": "normalization layer, such as cn or cn:groups=16,axis=token",
    "strategy": "continual-learning strategy, such as replay or replay:per_class=10",
    "backbone": "video backbone",
    "dataset": "dataset, such as synthetic:classes=20",
    "protocol": "how classes become experiences, such as even:experiences=7",
    "data-root": "folder of the videos and split files",
    "seed": "seed of class order, weights, batches and memory",
    "tuned": "file that clnorm tune wrote: its values for norm and strategy are taken",
    "out": "folder that run folders go into (default: runs)",
}


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """Add `--config`, `FLAGS` and `--set`: what makes a configuration."""
    parser.add_argument("--config", metavar="FILE", help="YAML file of the configuration")
    add_allow_plugin(parser)
    add_flags(parser)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add `FLAGS` and `--set`, which mean the same in every command."""
    for flag, text in FLAGS.items():
        parser.add_argument(f"--{flag}", help=text)
    add_set(parser)


def add_root(parser: argparse.ArgumentParser) -> None:
    """Add the dataset's folder, as a position and as `--data-root`."""
    parser.add_argument("root", nargs="?", help="the dataset's folder; --data-root is the same")
    parser.add_argument("--data-root", metavar="ROOT", help=FLAGS["data-root"])


def resolve_root(options: argparse.Namespace) -> str | None:
    """The dataset's folder, whichever way it was given; None where it was not.

    Raises:
        UserError: it is empty, or two different ones are given.
    """
    given = [word for word in (options.root, options.data_root) if word is not None]
    if not all(word.strip() for word in given):
        # An empty path would be the current folder.
        raise UserError("'' is no folder", where="--data-root", hint="name the dataset's folder")
    if len({Path(word).expanduser().absolute() for word in given}) > 1:
        what = f"{options.root!r} and {options.data_root!r} are two folders"
        raise UserError(what, where="--data-root", hint="give the dataset's folder once")
    return given[0] if given else None


def add_allow_plugin(parser: argparse.ArgumentParser) -> None:
    """Add `--allow-plugin`, of every command that reads files which may be another's."""
    parser.add_argument(
        "--allow-plugin",
        action="append",
        default=[],
        metavar="NAME",
        help="a plug-in that the file may name, such as mypackage.mymodule:MyNorm; importing it runs its code",
    )


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add `--set`."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any configuration key; see: clnorm list config"
    )


def add_where(parser: argparse.ArgumentParser) -> None:
    """Add `--where`, of every command that is about some of the finished runs in a folder."""
    parser.add_argument(
        "--where", action="append", default=[], metavar="KEY=VALUE", help="take only these runs, by a column or any key"
    )


def add_names(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--name`, of every command whose tables or figures stand in papers.

    Args:
        parser: of the command.
        what: it can be of.
    """
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="NAME=TITLE",
        help=f"what to call {what}, such as cn='Continual Norm'",
    )


def add_estimate(parser: argparse.ArgumentParser) -> None:
    """Add `--estimate` and `--max-hours`."""
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="print hours, disk and memory from a short probe of this machine, and stop",
    )
    parser.add_argument(
        "--max-hours", type=float, metavar="H", help="estimate first, and refuse what takes more hours of a process"
    )


def merge_flags(options: argparse.Namespace, flags: Iterable[str]) -> dict[str, object]:
    """The `flags` and `--set`s of a command as one mapping of dotted keys.

    Raises:
        UserError: a key is given twice.
    """
    from clnorm.config.load import parse_overrides

    given: dict[str, object] = dict(parse_overrides(options.set))
    for flag in flags:
        if (value := getattr(options, flag.replace("-", "_"), None)) is not None:
            key = flag.replace("data-root", "data.root")
            if key in given:
                raise UserError(
                    f"{key!r} is given twice", where=f"--{flag}", hint="give it once, as a flag or by --set"
                )
            given[key] = value
    return given


def split_names(text: str) -> list[str]:
    """The names of a flag that takes several, separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
