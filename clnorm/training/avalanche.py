"""Avalanche imported in parts: a name is loaded from the module that defines it, and no other module with it.

Whatever is imported of Avalanche, its packages import all of it, and with it jax, wandb, tensorboard, torchmetrics and
2,000 modules more that no run uses. Most of its packages are a list of imports and nothing else, so that the list can
wait: when such a package is asked for a name, only the module is imported that its `__init__` would take the name from.
Where that cannot be told, and for `dir` and `import *`, the whole `__init__` runs. Modules and classes are the same
whichever way they are imported, and the installed Avalanche is not touched.
"""

import ast
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

from clnorm.environment import package_version

TESTED_RELEASES = "0.6."


def import_in_parts() -> None:
    """Have Avalanche imported in parts from here on.

    Nothing is done where it is imported already, nor for a release that this was not tested with.
    """
    done = "avalanche" in sys.modules or any(isinstance(finder, _Finder) for finder in sys.meta_path)
    if not done and package_version("avalanche-lib").startswith(TESTED_RELEASES):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds Avalanche's modules where Python does, and has its packages loaded by `_Loader`."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] != "avalanche":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.submodule_search_locations and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Puts off the `__init__` of a package that holds a docstring and `from ... import ...` alone."""

    def exec_module(self, module: ModuleType) -> None:
        tree = ast.parse(self.get_data(self.path))
        module.__doc__ = ast.get_docstring(tree, clean=False)
        if all(isinstance(node, ast.ImportFrom) for node in tree.body[1 if module.__doc__ else 0 :]):
            module.__class__ = _Package
        else:
            super().exec_module(module)


class _Package(ModuleType):
    """A package whose `__init__` was put off.

    Nothing is locked: threads that come here at once do the same imports, each of which Python does once.
    """

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":  # what `import *` asks for first
            _run_init(self)
        elif (home := _home(self.__name__, name)) is not None:
            self.__dict__[name] = getattr(import_module(home), name)
        elif find_spec(f"{self.__name__}.{name}") is not None:
            import_module(f"{self.__name__}.{name}")
        elif not name.startswith("__"):  # whoever looks for __wrapped__ and the like wants nothing of Avalanche's
            _run_init(self)
        return self.__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        # Python binds a module to its package once it is loaded, but `__init__` may give that name to a thing in it.
        if isinstance(value, ModuleType) and name in vars(value) and _home(self.__name__, name):
            value = vars(value)[name]
        # Not of super(): another thread may just have run `__init__`, by which this is a plain module.
        ModuleType.__setattr__(self, name, value)

    def __dir__(self) -> list[str]:
        _run_init(self)
        return dir(self)


def _run_init(package: ModuleType) -> None:
    SourceFileLoader(package.__name__, str(package.__file__)).exec_module(package)
    package.__class__ = ModuleType


def _home(module: str, name: str) -> str | None:
    """The module that `name` comes from where `module` is imported, as far as their source tells."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    source = Path(spec.origin).read_text(encoding="utf-8")
    if not spec.submodule_search_locations:
        return module if re.search(rf"^(class|def) {name}\b|^{name}\b.*=", source, re.MULTILINE) else None
    for node in reversed(ast.parse(source).body):  # of two imports of a name the last one counts
        if isinstance(node, ast.ImportFrom):
            names, origin = [alias.name for alias in node.names], "." * node.level + (node.module or "")
            origin = resolve_name(origin, module)
            home = _home(origin, name) if names == ["*"] else origin if name in names and origin != module else None
            if home is not None:
                return home
    return None
