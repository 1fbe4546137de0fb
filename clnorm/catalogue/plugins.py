"""Importing what a user names as `package.module:Name`, and reading its options off its signature."""

import importlib.metadata
import inspect
import re
from collections.abc import Collection, Iterable
from types import ModuleType
from typing import Any

from clnorm.catalogue.option import Option
from clnorm.errors import UserError, nearest

_NAME = re.compile(r"[\w.-]+(:[A-Za-z_]\w*)?")
FIND_MODULE = "install it, give the command in the folder that holds it, or put that folder in PYTHONPATH"
"""What to do where there is no module of a name."""


class PluginRefusedError(UserError):
    """A file names a plug-in that the user did not name."""


class ForeignText(str):
    """A text that stands in a file. Where it names a plug-in, this is imported only if the user named it as well.

    Importing a module runs it, so that a file which decides what is imported decides what the computer does.

    Args:
        text: the text.
        allowed: the plug-ins that the user named, from `parse_allowed`.
        file: what messages call the file.
    """

    allowed: frozenset[str]
    file: str

    def __new__(cls, text: str, allowed: frozenset[str], file: str) -> "ForeignText":
        made = super().__new__(cls, text)
        made.allowed, made.file = allowed, file
        return made

    def __deepcopy__(self, memo: object) -> "ForeignText":
        return self

    def refuse(self, plugin: str, *, where: str) -> None:
        """Refuse a plug-in that this text names, unless the user named it.

        Raises:
            PluginRefusedError: the user did not.
        """
        if _with_colon(plugin) not in self.allowed:
            raise PluginRefusedError(
                f"{self.file} names the plug-in {plugin!r}, which is not imported for that alone, "
                "because importing it runs its code",
                where=where,
                hint=f"if you trust that code, name it too: --allow-plugin {plugin}, "
                f"or allow_plugins=[{plugin!r}] in Python",
            )


def mark_foreign(value: Any, allowed: frozenset[str], file: str) -> Any:
    """A value read from a file, all texts in it as `ForeignText`."""
    if isinstance(value, str):
        return ForeignText(value, allowed, file)
    if isinstance(value, dict):
        return {key: mark_foreign(item, allowed, file) for key, item in value.items()}
    return [mark_foreign(item, allowed, file) for item in value] if isinstance(value, list) else value


def parse_allowed(names: Iterable[str]) -> frozenset[str]:
    """The plug-ins that a user allows files to name, as `package.module:Name`, `package.module.Name` or announced.

    Raises:
        UserError: one text in place of several, or something that is no name.
    """
    if isinstance(names, str):
        raise UserError(f"{names!r} is one name", where="allow_plugins", legal="a list of names", hint="write [name]")
    given = list(names)
    for name in given:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            legal = "package.module:Name, without options, or a name that an installed package announces"
            raise UserError(f"{name!r} is not the name of a plug-in", where="--allow-plugin", legal=legal)
    return frozenset(map(_with_colon, given))


def _with_colon(name: str) -> str:
    """`package.module.Name` as `package.module:Name`."""
    module, dot, attribute = name.rpartition(".")
    return name if ":" in name or not dot else f"{module}:{attribute}"


def import_target(target: str) -> Any:
    """Import `package.module:Name`."""
    module_name, _, attribute = target.partition(":")
    module = import_module(module_name)
    if module is None:
        raise UserError(f"there is no module {module_name!r}", where=target, hint=FIND_MODULE)
    try:
        return getattr(module, attribute)
    except AttributeError:
        match = nearest(attribute, [name for name, each in vars(module).items() if not isinstance(each, ModuleType)])
        hint = f"did you mean {match!r}?" if match else None
        raise UserError(f"module {module_name!r} has no {attribute!r}", where=target, hint=hint) from None


def import_module(name: str) -> ModuleType | None:
    """The module, or None where there is none on Python's path."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        return None


def read_options(target: Any, given: Collection[str], *, leading: int = 1, loose: bool = False) -> dict[str, Option]:
    """The arguments of a plug-in as options, but for the leading ones and those of `given`, which clnorm gives.

    An argument whose default is no plain value cannot be written on a command line and stays at that default.

    Args:
        target: the class or function.
        given: names of arguments that clnorm gives.
        leading: how many arguments stand first that clnorm gives by their place.
        loose: for code that was not written for clnorm: an argument without a type takes what a value looks like, and
            one whose default is None is an option too, whose default is `none`.

    Raises:
        UserError: a default is a plain value, and would not be read again as what it is: an empty text, a comma in it,
            a number that is not finite, or one of another type than the annotation says.
    """
    options: dict[str, Option] = {}
    try:
        signature = inspect.signature(target, eval_str=True)
    except NameError:  # annotations that only a type checker can resolve
        signature = inspect.signature(target)
    for parameter in list(signature.parameters.values())[leading:]:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or parameter.name in given:
            continue
        kind = parameter.annotation if parameter.annotation in (bool, int, float, str) else None
        if loose and kind is None and not isinstance(parameter.default, (bool, float, str)):
            kind = object
        if parameter.default is parameter.empty:
            options[parameter.name] = Option(None, kind=kind)
        elif loose and parameter.default is None:
            options[parameter.name] = Option("none", kind=object)
        elif isinstance(parameter.default, (bool, int, float, str)):
            options[parameter.name] = option = Option(parameter.default, kind=kind)
            if not option.is_writable:
                name = getattr(target, "__qualname__", repr(target))
                raise UserError(
                    f"the default {parameter.default!r} of argument {parameter.name!r} cannot be written as an option",
                    where=name,
                    legal="a finite number of the annotated type, true or false, or text, not empty and without commas",
                    hint="give it such a default, or None, which makes it no option",
                )
    return options
