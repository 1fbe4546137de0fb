"""Importing what a user names as `package.module:Name`, and reading its options off its signature."""

import importlib.metadata
import inspect
from collections.abc import Collection
from types import ModuleType
from typing import Any

from clnorm.catalogue.option import Option
from clnorm.errors import UserError, nearest

FIND_MODULE = "install it, give the command in the folder that holds it, or put that folder in PYTHONPATH"
"""What to do where there is no module of a name."""


def import_target(target: str) -> Any:
    """Import `package.module:Name`."""
    module_name, _, attribute = target.partition(":")
    module = import_module(module_name)
    if module is None:
        raise UserError(f"there is no module {module_name!r}", where=target, hint=FIND_MODULE)
    try:
        return getattr(module, attribute)
    except AttributeError:
        match = nearest(attribute, vars(module))
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


def read_options(target: Any, given: Collection[str]) -> dict[str, Option]:
    """The arguments of a plug-in as options, but for its first one and those of `given`, which clnorm gives.

    An argument whose default is no plain value cannot be written on a command line and stays at that default.

    Raises:
        UserError: a default is a plain value, and would not be read again as what it is: an empty text, a comma in it,
            a number that is not finite, or one of another type than the annotation says.
    """
    options: dict[str, Option] = {}
    try:
        signature = inspect.signature(target, eval_str=True)
    except NameError:  # annotations that only a type checker can resolve
        signature = inspect.signature(target)
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or parameter.name in given:
            continue
        kind = parameter.annotation if parameter.annotation in (bool, int, float, str) else None
        if parameter.default is parameter.empty:
            options[parameter.name] = Option(None, kind=kind)
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
