"""Command lines that say of a wrong word what is near it: a flag, a key of the configuration, another command."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from clnorm.cli.output import print_text
from clnorm.errors import UserError

_AGAIN = ("resume", "continue", "restart")
_LISTS = ("seed", "norm", "strategy", "backbone", "dataset", "protocol")


class _Once(argparse._StoreAction):
    """A flag with one value, which is given once: of two, argparse would silently take the last."""

    def __call__(self, parser, namespace, values, option_string=None):  # type: ignore[no-untyped-def]  # as argparse's
        given = vars(namespace).setdefault("given_flags", set())
        if option_string is not None and self.dest in given:
            raise UserError(f"{option_string} is given twice", where=parser.prog, hint="give it once")
        given.add(self.dest)
        super().__call__(parser, namespace, values, option_string)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are a `UserError`, with the nearest flag or key; `command` is what is called."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.set_defaults(command=self.prog)
        for name in (None, "store"):
            self.register("action", name, _Once)

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]  # as argparse's, overloaded
        found, unknown = super().parse_known_args(args, namespace)
        for action in self._get_positional_actions():
            # Before Python 3.12.7 argparse leaves a word over that stands behind a flag and may be left out.
            if action.nargs == "?" and getattr(found, action.dest) is None and unknown and unknown[0][:1] != "-":
                setattr(found, action.dest, unknown.pop(0))
        if unknown:
            raise self._unknown(unknown, list(args or ()))
        for action in self._get_positional_actions():
            value = getattr(found, action.dest, None)
            if any(
                isinstance(word, str) and not word.strip() for word in (value if isinstance(value, list) else [value])
            ):
                # An empty path would be the current folder.
                raise UserError(f"{value!r} is no {action.dest}", where=self.prog, hint=f"see: {self.prog} --help")
        return found, unknown

    def _print_message(self, message, file=None):  # type: ignore[no-untyped-def]  # argparse's, which hides a full disk
        """Help and the version, which are all that is printed: errors are raised."""
        print_text(message)

    def error(self, message: str) -> NoReturn:
        """What argparse finds wrong, as the user's mistake."""
        raise UserError(message, where=self.prog, hint=f"see: {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a word that is none of those of a command, or of a position with a few legal words."""
        if action.choices is not None and value not in action.choices:
            kind = "command" if isinstance(action, argparse._SubParsersAction) else action.dest
            what, legal = f"unknown {kind} {value!r}", map(str, action.choices)
            raise UserError(what, where=self.prog, legal=legal, given=str(value), hint=f"see: {self.prog} --help")

    def _unknown(self, words: Sequence[str], given: Sequence[str]) -> UserError:
        flag = words[0]
        if not flag.startswith("--"):
            return self._stray(flag, given)
        name, _, value = flag[2:].partition("=")
        value = value or next((word for word in words[1:2] if not word.startswith("-")), "VALUE")
        own = self._flags()
        if "--set" in own and (key := _find_key(name)):
            return UserError(f"unknown flag --{name}", where=self.prog, hint=f"write --set {key}={value}")
        if name in _AGAIN:
            hint = "leave it out: the same command goes on where it was stopped"
            return UserError(f"unknown flag --{name}", where=self.prog, hint=hint)
        return UserError(f"unknown flag --{name}", where=self.prog, legal=own, given=f"--{name}")

    def _stray(self, word: str, given: Sequence[str]) -> UserError:
        before = given[: given.index(word)] if word in given else []
        flag = next((each[2:] for each in reversed(before) if each.startswith("--")), "")
        if flag in _LISTS:
            hint = f"several values are a sweep: clnorm sweep FILE, with grid: {{{flag}: [...]}} in the file"
            return UserError(f"--{flag} takes one value, and {word!r} is one more", where=self.prog, hint=hint)
        return UserError(f"{word!r} is one word too many", where=self.prog, hint=f"see: {self.prog} --help")

    def _flags(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings if option.startswith("--")]


def _find_key(name: str) -> str | None:
    """The key of the configuration that a flag's name means, such as `train.batch_size` for `batch-size`."""
    from clnorm.config.config import Config
    from clnorm.config.fields import list_value_keys

    wanted = name.replace("-", "_")
    keys = list_value_keys(Config)
    exact = [key for key in keys if wanted in (key, key.rpartition(".")[2])]
    return exact[0] if exact else None
