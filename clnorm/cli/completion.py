"""`clnorm completion`: a script by which a shell completes commands, flags and names."""

import argparse
from collections.abc import Iterator

from clnorm.catalogue import BACKBONES, DATASETS, NORMS, PROTOCOLS, REGISTRIES, STRATEGIES
from clnorm.cli.flags import Verbs
from clnorm.cli.output import print_text
from clnorm.config.config import Config
from clnorm.config.fields import list_value_keys
from clnorm.errors import UserError

SHELLS = ("bash", "zsh", "fish")
# What a flag or a position takes, by its name in the parsers.
_NAMES = {
    "norm": NORMS,
    "versus": NORMS,
    "strategy": STRATEGIES,
    "backbone": BACKBONES,
    "dataset": DATASETS,
    "protocol": PROTOCOLS,
}
_KINDS = ("norm", "strategy", "dataset", "protocol", "backbone")
_WORDS = {
    "what": (*REGISTRIES, "config", "metrics"),
    "shell": SHELLS,
    "clnorm table --format": ("rich", "markdown", "latex", "document", "html", "csv"),
    "style": ("plain", "tcd", "vclimb"),
    "rows": _KINDS,
    "cols": _KINDS,
    "clnorm export --format": ("safetensors", "onnx"),
}
# A shell offers folders among the files.
_FILES = ("config", "bib", "published", "file", "run", "videos", "sources", "out")
_FOLDERS = ("folder", "first", "second", "root", "data_root", "runs")

# A key of `--set` or `--where` goes on with its value, so that bash must not write a space behind it.
_BASH_KEYS = """
_clnorm_complete() {
  _shtab_clnorm "$@"
  [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o bashdefault -F _clnorm_complete clnorm
"""


def add_completion(verbs: Verbs, common: argparse.ArgumentParser, parser: argparse.ArgumentParser) -> None:
    """Add the command; it describes `parser`, to which it belongs itself."""
    completion = verbs.add_parser("completion", parents=[common], help="a script by which a shell completes commands")
    completion.add_argument("shell", help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}")
    completion.set_defaults(verb=lambda options: print_text(write_script(parser, options.shell)))


def write_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for a shell, with the built-in names and those of plug-ins that are installed now.

    Args:
        parser: of the whole program; its flags get what they complete to, so that it cannot parse afterwards.
        shell: one of `SHELLS`.

    Raises:
        UserError: there is none for this shell, or the library that writes it is not installed.
    """
    if shell not in SHELLS:
        raise UserError(f"no completion for {shell!r}", where="clnorm completion", legal=SHELLS, given=shell)
    try:
        import shtab
    except ImportError:
        raise UserError(
            "needs shtab, which is not installed",
            where="clnorm completion",
            hint="install it: pip install 'clnorm[completion]'",
        ) from None
    for command, action in _list_actions(parser):
        if action.dest in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it
        elif action.dest in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif words := _list_words(command, action):
            action.choices = words
    return str(shtab.complete(parser, shell=shell)) + (_BASH_KEYS if shell == "bash" else "")


def _list_words(command: str, action: argparse.Action) -> list[str]:
    """The words that a flag or a position takes; none where it takes others than names."""
    if action.dest in ("set", "where"):
        return [f"{key}=" for key in list_value_keys(Config)]
    if action.dest == "metric":
        from clnorm.evaluation.metrics import list_metrics

        return list_metrics()
    if registry := _NAMES.get(action.dest):
        return [name for name in registry.names() if not name.endswith(":NAME")]  # a family has no word to offer
    return list(_WORDS.get(action.dest, _WORDS.get(f"{command} --{action.dest}", ())))


def _list_actions(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """Every flag and position of a parser and of its commands, with the command that has it."""
    for action in parser._actions:
        yield parser.prog, action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _list_actions(inner)
