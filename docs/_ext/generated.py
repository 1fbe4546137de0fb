"""What the program says of itself, as Markdown: every name, key, command and public object."""

import argparse
import ast
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import clnorm
import clnorm.norms
from clnorm.catalogue import REGISTRIES
from clnorm.catalogue.option import Option

_DESCRIBED = ("norms", "strategies", "protocols", "datasets", "imbalance")
"""Registries whose entries' docstrings are shown: formula, shapes, errors and source."""

PAGED = {"strategies": "--strategy {}", "protocols": "--set protocol={}"}
"""Registries each of whose entries has a page of its own, and how one is chosen."""

_STAR = re.compile(r"(?<!\w)(\*\w[^*]*\w\*)(?!\w)|\*")


def create(what: str) -> str:
    """The Markdown for one mark: a registry by its plural, `metrics`, `config`, `commands`, or a module for its API.

    An entry of a registry in `PAGED` is `plural.name`, and the registry itself a list of their pages.
    """
    plural, _, name = what.partition(".")
    if plural in PAGED:
        return "\n".join(_entry_lines(plural, name) if name else _page_lines(plural))
    if what in REGISTRIES:
        return "\n".join(_registry_lines(what))
    if what in _OTHERS:
        return "\n".join(_OTHERS[what]())
    return "\n".join(_api_lines(what))


def _registry_lines(plural: str) -> Iterator[str]:
    registry = REGISTRIES[plural]
    shared = getattr(registry, "shared", {})
    if shared:
        yield from ("## Options that many have alike", "", *_options(shared))
    for name, entry in registry._entries.items():
        if not isinstance(entry.target, str):  # registered from outside
            continue
        yield from (f"## `{name}:{entry.takes}`" if entry.takes else f"## `{name}`", "", _sentence(entry.summary), "")
        if entry.recipe:
            changed = ", ".join(f"`{key}={value}`" for key, value in entry.recipe.items())
            yield from (f"Other defaults with it: {changed}.", "")
        own = {key: option for key, option in entry.options.items() if option != shared.get(key)}
        alike = [f"`{key}`" for key in entry.options if key not in own]
        yield from _options(own)
        if alike:
            yield from (f"Also {', '.join(alike)}, [as many have](#options-that-many-have-alike).", "")
        if plural in _DESCRIBED:
            found = entry.load()
            public = f"clnorm.norms.{found.__name__}"
            path = public if found.__name__ in clnorm.norms.__all__ else entry.target.replace(":", ".")
            yield from _autodoc(path, found)


def list_pages(plural: str) -> list[str]:
    """The names of a registry's built-in entries, each of which has a page."""
    return [name for name, entry in REGISTRIES[plural]._entries.items() if isinstance(entry.target, str)]


def _page_lines(plural: str) -> Iterator[str]:
    entries = REGISTRIES[plural]._entries
    rows = [(f"[`{name}`]({plural}/{name}.md)", _escape(entries[name].summary)) for name in list_pages(plural)]
    yield from _table((REGISTRIES[plural].kind, "what it does"), rows)


def _entry_lines(plural: str, name: str) -> Iterator[str]:
    entry = REGISTRIES[plural]._entries[name]
    needed = ",".join(f"{key}=..." for key, option in entry.options.items() if option.default is None)
    chosen = PAGED[plural].format(f"{name}:{needed}" if needed else name)
    yield from (f"{_sentence(entry.summary)} Chosen by `{chosen}`.", "")
    if entry.recipe:
        yield from (f"Other defaults with it: {', '.join(f'`{k}={v}`' for k, v in entry.recipe.items())}.", "")
    if entry.options:
        yield from ("## Options", "", *_options(entry.options))
    module = importlib.import_module(entry.target.partition(":")[0])
    if plural == "strategies":
        yield from ("## How it works", "", *_docstring_lines(module), "")
    found = entry.load()
    yield from ("## In Python", "", *_autodoc(entry.target.replace(":", "."), found))
    if entry.papers:
        yield from (
            "## Papers",
            "",
            *(f"- {paper.authors}. *{paper.title}*. {paper.venue}, {paper.year}." for paper in entry.papers),
        )


def _docstring_lines(module: object) -> Iterator[str]:
    """A module's docstring as Markdown: formulas, which are indented, as they stand, and other stars as stars."""
    for line in (inspect.getdoc(module) or "").splitlines():
        yield line if line.startswith("    ") else _STAR.sub(lambda found: found[1] or r"\*", line)


def _options(options: Mapping[str, Option]) -> Iterator[str]:
    rows = [(f"`{key}`", _shown(o.default), _words(o.legal), o.doc) for key, o in options.items()]
    if rows:
        yield from _table(("option", "default", "legal", "what it does"), rows)


def _metric_lines() -> Iterator[str]:
    from clnorm.evaluation.metrics import METRICS
    from clnorm.evaluation.metrics.needs import describe_need

    for name, metric in METRICS.items():
        end = "higher" if metric.higher_is_better else "lower"
        yield from (f"## `{name}`", "", f"In tables: {metric.title}. The {end}, the better.", "")
        yield from ("```text", metric.formula, "```", "", f"Source: {metric.source}.", "")
        if metric.needs:
            yield from (f"Needs {'; '.join(map(describe_need, metric.needs))}.", "")


def _config_lines() -> Iterator[str]:
    sections = {"": clnorm.Config}
    hints = get_type_hints(clnorm.Config)
    sections |= {f"{name}.": kind for name, kind in hints.items() if is_dataclass(kind) and name in _section_names()}
    for prefix, section in sections.items():
        title = f"`{prefix[:-1]}`: {_lower(section.__doc__)}" if prefix else "The run"
        yield from (f"## {title}", "")
        rows = [_key_row(prefix, item) for item in fields(section) if item.metadata]
        yield from _table(("key", "default", "legal", "what it does"), rows)


def _section_names() -> set[str]:
    return {item.name for item in fields(clnorm.Config) if not item.metadata}


def _key_row(prefix: str, item) -> tuple[str, str, str, str]:
    registry, option = item.metadata.get("registry"), item.metadata.get("option")
    default = item.metadata["default"]
    shown = _shown(default.short if registry else default)
    if (pretrained := item.metadata.get("pretrained")) is not None:
        shown += f"<br>pretrained: {_shown(pretrained)}"
    legal = f"[{registry.plural}]({registry.plural}.md)" if registry else _words(option.legal) if option else "a path"
    return f"`{prefix}{item.name}`", shown, legal, item.metadata["doc"]


def list_commands() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """What each command does, and its parser, by its words, such as `data prepare`."""
    from clnorm.cli.main import _parser

    found: dict[str, tuple[str, argparse.ArgumentParser]] = {}

    def walk(parser: argparse.ArgumentParser, words: str, summary: str) -> None:
        inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not inner:
            found[words] = (summary, parser)
        for action in inner:
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for word, child in action.choices.items():
                walk(child, f"{words} {word}".strip(), helps.get(word, ""))

    walk(_parser(), "", "")
    return found


def _command_lines() -> Iterator[str]:
    for words, (summary, parser) in list_commands().items():
        yield from (f"## `clnorm {words}`", "", _sentence(summary), "")
        if parser.description:
            yield from (parser.description, "")
        actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
        rows = [(f"`{_usage(action)}`", _escape(action.help or "")) for action in actions]
        yield from _table(("argument", "what it does"), rows)


def _usage(action: argparse.Action) -> str:
    word = action.metavar or action.dest.upper()
    if not action.option_strings:
        return f"{action.metavar or action.dest}" + (" ..." if action.nargs == "+" else "")
    flag = action.option_strings[-1]
    return flag if action.nargs == 0 else f"{flag} {word}"


def _api_lines(module: str) -> Iterator[str]:
    package = clnorm.metrics if module == "clnorm.metrics" else importlib.import_module(module)
    norms = {entry.target.rpartition(":")[2]: name for name, entry in REGISTRIES["norms"]._entries.items()}
    for name in package.__all__:
        found = getattr(package, name)
        if name in norms:
            yield from (f"## `{name}`", "", f"The norm [`{norms[name]}`](../reference/norms.md#{norms[name]}).", "")
        elif inspect.isroutine(found) or inspect.isclass(found):
            yield from (f"## `{name}`", "")
            yield from _autodoc(f"{package.__name__}.{name}", found, members=True)


def _autodoc(path: str, found: object, *, members: bool = False) -> Iterator[str]:
    kind = "class" if inspect.isclass(found) else "function"
    yield from ("```{eval-rst}", f".. auto{kind}:: {path}")
    if kind == "class" and members:
        yield "   :members:"
    yield from ("```", "")


def dataclass_signature(found: type) -> str:
    """The arguments of a dataclass; a name's default as it is written, what is made anew as `...`."""
    declared = {item.name: item.metadata["default"] for item in fields(found) if "default" in item.metadata}
    shown: list[str] = []
    for parameter in inspect.signature(found).parameters.values():
        default = declared.get(parameter.name, parameter.default)
        default = getattr(default, "short", default)
        plain = default is None or isinstance(default, bool | int | float | str | tuple)
        written = "" if default is parameter.empty else f"={default!r}" if plain else "=..."
        shown += ["*"] if parameter.kind is parameter.KEYWORD_ONLY and "*" not in shown else []
        shown.append(parameter.name + written)
    return f"({', '.join(shown)})"


def convert_docstring(lines: list[str]) -> Iterator[str]:
    """Lines of reStructuredText for lines of Markdown: tables, and a letter with a full stop, which is no list."""
    before = ""
    for line in lines:
        line = re.sub(r"(^|\s)([A-Z])\.$", r"\1\\\2.", line)
        if not line.startswith("|"):
            yield from ([""] if before.startswith("|") else [])
            yield line
        elif not before.startswith("|"):
            yield from (".. list-table::", "   :header-rows: 1", "")
            yield from _list_row(line)
        elif not set(line) <= set("|-: "):
            yield from _list_row(line)
        before = line


def _list_row(line: str) -> Iterator[str]:
    for place, cell in enumerate(line.strip("|").split("|")):
        yield f"   {'*' if place == 0 else ' '} - {cell.strip()}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield from ("", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head))
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _escape(text: str) -> str:
    return text.replace("|", r"\|").replace("<", r"\<").replace("*", r"\*")


def _words(legal: str) -> str:
    """Words to choose from, which a narrow column may break."""
    return _escape(legal).replace("\\|", "\\|\u200b")


def _house_lines() -> Iterator[str]:
    """Every module of the package with the first line of its docstring, a folder a table."""
    package = Path(clnorm.__file__).parent
    folders = [folder for folder in [package, *sorted(package.rglob("*"))] if (folder / "__init__.py").is_file()]
    for folder in folders:
        rows = []
        for file in sorted(folder.glob("*.py")):
            doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
            if doc:
                rows.append((f"`{file.name}`", _escape(doc.partition("\n")[0])))
        if rows:
            yield from (f"### `{folder.relative_to(package.parent).as_posix()}/`", "")
            yield from _table(("file", "what"), rows)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")


_OTHERS = {"metrics": _metric_lines, "config": _config_lines, "commands": _command_lines, "house": _house_lines}
