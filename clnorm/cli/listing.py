"""`clnorm list`: every legal name and value, with its default."""

import argparse
from collections.abc import Mapping
from dataclasses import fields

from clnorm.catalogue import REGISTRIES
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry
from clnorm.cli.flags import Verbs
from clnorm.cli.output import print_text
from clnorm.config.config import Config
from clnorm.config.fields import list_sections
from clnorm.errors import UserError


def add_listing(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    names = verbs.add_parser("list", parents=[common], help="every legal name with its options")
    names.add_argument("what", nargs="?", help="what to list; left out, what there is to list")
    names.set_defaults(verb=_list)


def _list(options: argparse.Namespace) -> None:
    print_text(list_names(options.what) if options.what is not None else _list_kinds())


def list_names(what: str) -> str:
    """The names of one kind, or the keys of the configuration.

    Raises:
        UserError: there is no such kind.
    """
    if what in REGISTRIES:
        return _list_registry(REGISTRIES[what])
    if what == "config":
        return _list_config()
    if what == "metrics":
        return _list_metrics()
    if what == "figures":
        return _list_figures()
    raise UserError(f"cannot list {what!r}", legal=[*REGISTRIES, "config", "figures", "metrics"], given=what)


def _list_kinds() -> str:
    """What can be listed, with the command for each."""
    told = {plural: ", ".join(registry.names()) for plural, registry in REGISTRIES.items()}
    told |= {"metrics": "what a table shows, with formulas and sources", "figures": "what clnorm plot draws"}
    told |= {"config": "every key of a configuration"}
    return "\n".join(f"clnorm list {what:<15}{text}" for what, text in told.items())


def _list_figures() -> str:
    from clnorm.figures.registry import FIGURES

    return "\n".join(f"{name:<20}{kind.text}" for name, kind in FIGURES.items())


def _list_registry(registry: Registry) -> str:
    lines = []
    for name in registry.names():
        entry = registry.get(name)
        lines.append(f"{name:<20}{entry.summary}")
        own = {key: option for key, option in entry.options.items() if option != registry.shared.get(key)}
        lines += _list_options(own)
        if also := [key for key in entry.options if key not in own]:
            lines.append(f"    {', '.join(also)}: see the end")
    if registry.shared:
        lines += ["options of several, each the same wherever it is named", *_list_options(registry.shared)]
    return "\n".join(lines)


def _list_options(options: Mapping[str, Option]) -> list[str]:
    lines = []
    for key, option in options.items():
        default = "must be given" if option.default is None else f"default {_plain(option.default)}"
        lines.append(f"    {key:<16}{option.doc} ({option.legal}; {default})")
    return lines


def _list_config() -> str:
    lines = []
    sections = {"": Config, **{f"{name}.": section for name, section in list_sections(Config).items()}}
    for prefix, section in sections.items():
        for item in fields(section):
            if not item.metadata:
                continue
            if registry := item.metadata.get("registry"):
                legal, default = f"see: clnorm list {registry.plural}", item.metadata["default"].short
            elif option := item.metadata.get("option"):
                legal, default = option.legal, _plain(option.default)
            else:
                legal, default = "a path", item.metadata["default"]
            if (pretrained := item.metadata.get("pretrained")) is not None:
                default += f", with pretrained weights {_plain(pretrained)}"
            lines.append(f"{prefix + item.name:<30}{item.metadata['doc']} ({legal}; default {default})")
    return "\n".join(lines)


def _list_metrics() -> str:
    from clnorm.evaluation.metrics import find_metric, list_metrics
    from clnorm.evaluation.metrics.needs import describe_need

    lines = []
    for name in list_metrics():
        metric = find_metric(name)
        lines.append(f"{name:<35} {metric.formula} ({metric.source})")
        end = "higher is better" if metric.higher_is_better else "lower is better"
        needs = f"; needs {'; '.join(map(describe_need, metric.needs))}" if metric.needs else ""
        lines.append(f"    {end}{needs}")
    return "\n".join(lines)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
