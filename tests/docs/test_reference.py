"""The generated parts of the documentation: all names, keys, commands and public objects are in them."""

import importlib.util
import re
from pathlib import Path

import pytest

import clnorm
import clnorm.norms
from clnorm.catalogue import REGISTRIES
from clnorm.cli.main import main
from clnorm.config.config import Config
from clnorm.config.fields import list_keys
from clnorm.evaluation.metrics import METRICS
from clnorm.evaluation.metrics.needs import describe_need

FILE = Path(__file__).parents[2] / "docs/_ext/generated.py"


SPEC = importlib.util.spec_from_file_location("generated", FILE)
GENERATED = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(GENERATED)
PAGES = [f"{plural}.{name}" for plural in GENERATED.PAGED for name in GENERATED.list_pages(plural)]


@pytest.fixture(scope="module")
def create():
    """The text for one mark."""
    return GENERATED.create


def headings(text):
    return re.findall(r"^## `([^`]+)`", text, flags=re.MULTILINE)


@pytest.mark.parametrize("mark", PAGES)
def test_each_page_says_what_its_entry_has(mark, create):
    plural, _, name = mark.partition(".")
    entry, text = REGISTRIES[plural].get(name), create(mark)
    assert all(f"`{option}`" in text for option in entry.options)
    assert entry.summary[1:] in text
    assert all(paper.title in text for paper in entry.papers)
    page = FILE.parents[1] / "reference" / plural / f"{name}.md"
    assert page.read_text(encoding="utf-8") == f"# `{name}`\n\n<!-- generated: {mark} -->\n"
    assert f"]({plural}/{name}.md)" in create(plural)


@pytest.mark.parametrize("plural", [plural for plural in REGISTRIES if plural not in GENERATED.PAGED])
def test_each_name_and_option(plural, create):
    registry, text = REGISTRIES[plural], create(plural)
    text = text[text.index("## `") :]  # after what entries share
    own = [name for name in registry.names() if ":" in name or isinstance(registry.get(name).target, str)]
    assert headings(text) == own
    for name, section in zip(own, re.split(r"^## ", text, flags=re.MULTILINE)[1:], strict=True):
        entry = registry._entries[name.partition(":")[0]]
        assert all(f"`{option}`" in section for option in entry.options)


def test_each_metric(create, capsys):
    assert main(["list", "metrics"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert headings(create("metrics")) == list(METRICS) == names[: len(METRICS)]
    sections = re.split(r"^## ", create("metrics"), flags=re.MULTILINE)[1:]
    for section, metric in zip(sections, METRICS.values(), strict=True):
        assert metric.formula in section
        assert f"Source: {metric.source}." in section
        assert all(describe_need(need) in section for need in metric.needs)
        assert ("The higher" in section) == metric.higher_is_better


def test_each_key(create):
    sections = {key.partition(".")[0] for key in list_keys(Config, deep=True)}
    keys = [*(key for key in list_keys(Config) if key not in sections), *list_keys(Config, deep=True)]
    assert re.findall(r"^\| `([\w.]+)` \|", create("config"), flags=re.MULTILINE) == keys


def test_each_command_and_flag(create, capsys):
    text = create("commands")
    sections = dict(zip(headings(text), re.split(r"^## ", text, flags=re.MULTILINE)[1:], strict=True))
    assert {"clnorm run", "clnorm data prepare", "clnorm norms check", "clnorm doctor"} <= set(sections)
    for command, section in sections.items():
        with pytest.raises(SystemExit):
            main([*command.split()[1:], "--help"])
        flags = set(re.findall(r"^  (?:-h, )?(--[\w-]+)", capsys.readouterr().out, flags=re.MULTILINE)) - {"--help"}
        assert flags <= set(re.findall(r"--[\w-]+", section))


@pytest.mark.parametrize("module", [clnorm, clnorm.norms, clnorm.metrics], ids=["clnorm", "norms", "metrics"])
def test_each_public_name(module, create):
    name = "clnorm.metrics" if module is clnorm.metrics else module.__name__
    documented = set(headings(create(name)))
    assert {each for each in module.__all__ if callable(getattr(module, each))} == documented


def test_a_mark_for_each_part(create):
    marks = {
        mark
        for page in FILE.parents[1].rglob("*.md")
        for mark in re.findall(r"<!-- generated: ([\w.-]+) -->", page.read_text(encoding="utf-8"))
        if mark != "NAME"
    }
    others = {"metrics", "config", "commands", "house", "clnorm", "clnorm.norms", "clnorm.metrics"}
    assert marks == {*REGISTRIES, *PAGES, *others}
