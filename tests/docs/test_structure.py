"""README and documentation as a whole: size, navigation, links, and that names in them exist."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from clnorm.catalogue import NORMS
from clnorm.config.config import Config
from clnorm.config.fields import list_keys
from clnorm.norms import RunningNorm

ROOT = Path(__file__).parents[2]


def test_the_readme_is_short(pages):
    assert len(pages["README.md"].encode()) <= 8 * 1024


def test_every_page_is_in_the_navigation(pages):
    listed = re.findall(r"^(?:Overview <)?(\w+/[\w-]+)>?$", pages["docs/index.md"], flags=re.MULTILINE)
    there = {name.removeprefix("docs/").removesuffix(".md") for name in pages if name.startswith("docs/")} - {"index"}
    inner = {name for name in there if name.count("/") > 1}  # listed by the page that their folder is named after
    assert sorted(listed) == sorted(there - inner)
    for folder in {name.rpartition("/")[0] for name in inner}:
        assert f":glob:\n\n{Path(folder).name}/*\n" in pages[f"docs/{folder}.md"]


def test_links_lead_somewhere(pages):
    dead = []
    for name, text in pages.items():
        for link in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
            if not (ROOT / name).parent.joinpath(link).exists():
                dead.append(f"{name}: {link}")
    assert not dead


def test_every_key_that_is_named_exists(pages):
    text = "\n".join(pages.values())
    named = set(re.findall(r"(?<![\w./])((?:data|model|train|eval)\.\w+)", text))
    files = {"model.safetensors", "data.md"}
    assert len(named) >= 10
    assert named - files <= set(list_keys(Config, deep=True))


def test_every_extra_that_is_named_exists(pages):
    text = "\n".join(pages.values())
    extras = {word for words in re.findall(r"pip install '\.\[([\w,]+)\]'", text) for word in words.split(",")}
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[project.optional-dependencies]")[2]
    assert extras
    assert all(re.search(rf"^{extra} = \[", declared, flags=re.MULTILINE) for extra in extras)


def test_the_table_of_extras_has_each(pages):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    rows = re.findall(r"^\| (`[^|]*) \|", pages["docs/start/install.md"], flags=re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(extras)


def read_norm_table():
    """The cells of each norm's row in the guide."""
    guide = (ROOT / "docs/guide/norms.md").read_text(encoding="utf-8")
    rows = [line for line in guide.splitlines() if re.match(r"\| `\w+` \|", line)]
    return {
        cells[0].strip("`"): cells[1:] for row in rows for cells in [[c.strip() for c in row.strip("|").split("|")]]
    }


def test_the_table_of_norms_is_that_of_the_catalogue(pages):
    table = read_norm_table()
    assert list(table) == [name for name in NORMS.names() if "clnorm" in str(NORMS.get(name).target)]
    assert {name: cells[0] for name, cells in table.items()} == {name: NORMS.get(name).summary for name in table}
    assert "Seventeen norms" in pages["docs/guide/norms.md"]
    assert "one of seventeen" in pages["README.md"]
    assert len(table) == 17


@pytest.mark.parametrize("name", read_norm_table())
def test_each_norm_is_told_what_the_guide_says_and_cites_the_same_authors(name):
    norm = NORMS.get(name).load()
    _, source, told = read_norm_table()[name]
    assert told == ", ".join(norm.needs)
    if form := re.fullmatch(r"a form of `(\w+)`", source):
        assert issubclass(norm, RunningNorm)
        assert form[1] in NORMS.names()
    else:
        author = re.match(r"\w*", source)[0]
        assert author in inspect.getdoc(norm)
        assert bool(author) == (name != "identity")


def test_the_readme_has_a_line_on_each_command(pages):
    from clnorm.cli.main import _parser

    (verbs,) = (action.choices for action in _parser()._actions if isinstance(action.choices, dict))
    rows = " ".join(line.split("|")[1] for line in pages["README.md"].splitlines() if line.startswith("| `clnorm "))
    assert {verb for verb in verbs if verb not in re.findall(r"[a-z]+", rows)} == set()
