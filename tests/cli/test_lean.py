"""clnorm installed for the analysis of finished runs alone: each command does without torch, or says what it needs."""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from clnorm.cli.main import _parser
from clnorm.environment import ANALYSIS, TRAINING, explain_missing
from tests.report.made import explain, find_run, leave_unfinished, make_grid

ROOT = Path(__file__).parents[2]
RUN, OTHER, STOPPED = "{bn-naive-s0}", "{cn-naive-s0}", "{cn-replay-s2}"

WORKS = {
    "cache": [["cache"]],
    "cite": [["cite", "runs"]],
    "clean": [["clean", "runs"]],
    "compare": [["compare", RUN, OTHER]],
    "leaderboard": [["leaderboard", "runs", "--out", "board"]],
    "list": [["list"], *(["list", kind] for kind in ("norms", "strategies", "config", "figures", "metrics"))],
    "metrics add": [["metrics", "add", "bwt", RUN]],
    "metrics list": [["metrics", "list"]],
    "plot": [
        ["plot", "runs", "--out", f"{figure}.pdf", "--figure", figure, "--where", "strategy=naive", *more]
        for figure, *more in (
            ["accuracy"],
            ["confusion", "--where", "seed=0"],
            ["explain"],
            ["forgetting"],
            ["loss"],
            ["matrix"],
            ["ranks"],
            ["sites"],
            ["tradeoff"],
        )
    ],
    "protocol show": [["protocol", "show", "even"], ["protocol", "show", "tcd", "--dataset", "hmdb51"]],
    "report": [["report", "runs", "--out", "report.html"]],
    "runs": [["runs", "runs"]],
    "show": [["show", RUN], ["show", STOPPED]],
    "submit": [
        [
            "submit",
            "--check",
            str(ROOT / "results" / "synthetic" / "synthetic-lsvit_nano-ln-naive-s0-3cb8c12f"),
        ]
    ],
    "table": [
        ["table", "runs", "--format", form, "--versus", "bn"]
        for form in ("rich", "markdown", "latex", "document", "html", "csv")
    ]
    + [["table", "runs", "--explain", "bn", "naive", "accuracy"], ["table", "runs", "--format", "latex", "--bib", "b"]],
    "watch": [["watch", "sweep"]],
}
"""Words of commands; in braces, a part of the name of a run."""

NEEDS = {
    "card": ["card", "cn"],
    "data audit": ["data", "audit", "synthetic"],
    "data check": ["data", "check", "synthetic"],
    "data prepare": ["data", "prepare", "folder", "--data-root", "."],
    "doctor": ["doctor"],
    "explain": ["explain", RUN],
    "export": ["export", RUN],
    "norms audit": ["norms", "audit", "--backbone", "lsvit_nano", "--norm", "cn"],
    "norms check": ["norms", "check", "cn"],
    "predict": ["predict", RUN, "v.avi"],
    "protocol similarity": ["protocol", "similarity", "--out", "s.npz"],
    "run": ["run"],
    "sweep": ["sweep", "sweep.yaml"],
    "time": ["time"],
    "worker": ["worker", "{manifest}"],
}
"""Commands that need more, the same."""

ELSEWHERE = {"completion": "needs shtab", "tune": "Optuna is not installed"}
"""Commands that need an extra first, and what they say of it."""

CODE = """
import contextlib, io, json, sys

given = json.loads(sys.stdin.read())
absent = set(given["absent"])


class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else self.finder.find_spec(name, path, target)


sys.meta_path[:] = map(Without, sys.meta_path)
from clnorm.cli.main import main

ends = []
for words in given["commands"]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    ends.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(ends))
"""


def list_leaves(parser: argparse.ArgumentParser):
    """The commands of a parser that do something, without its own name."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in inner:
        for below in action.choices.values():
            yield from list_leaves(below)
    if not inner:
        yield parser.prog.removeprefix("clnorm ")


def list_absent() -> list[str]:
    """The modules of this environment that no package of `ANALYSIS` is, or needs."""
    found: set[str] = set()
    left = [canonicalize_name(package) for package in ANALYSIS.values()]
    while left:
        if (package := left.pop()) not in found:
            found.add(package)
            needed = map(Requirement, requires(package) or ())
            left += [canonicalize_name(n.name) for n in needed if n.marker is None or n.marker.evaluate({"extra": ""})]
    return [
        module
        for module, packages in packages_distributions().items()
        if not found & set(map(canonicalize_name, packages)) and module != "clnorm"
    ]


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """What became of every command, by its words: exit code, stdout and stderr, all in one process without the rest."""
    from clnorm.config.load import merge_config
    from clnorm.launch.manifest import write_manifest
    from clnorm.launch.plan import plan_sweep
    from clnorm.progress import Reporter

    folder = tmp_path_factory.mktemp("lean")
    make_grid(folder / "runs")
    explain(find_run(folder / "runs", "bn-naive-s0"))
    leave_unfinished(folder / "runs", STOPPED.strip("{}"))
    plan = plan_sweep([merge_config({}, {"out": str(folder / "sweep")})], reporter=Reporter())
    manifest = write_manifest(plan.cells)
    (folder / "sweep.yaml").write_text("grid: {norm: [bn, cn]}\n")
    (folder / "tune.yaml").write_text("grid: {norm: [bn, cn]}\nsearch: {train.lr: [0.001, 0.01]}\n")
    extra = [["completion", "bash"], ["tune", "--search", "tune.yaml"]]
    commands = [*(words for several in WORKS.values() for words in several), *NEEDS.values(), *extra]
    names = {"{manifest}": str(manifest)}
    names |= {name: str(find_run(folder / "runs", name.strip("{}"))) for name in (RUN, OTHER, STOPPED)}
    filled = [[names.get(word, word) for word in words] for words in commands]
    given = json.dumps({"absent": list_absent(), "commands": filled})
    done = subprocess.run(
        [sys.executable, "-c", CODE], input=given, capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(map(tuple, commands), json.loads(done.stdout), strict=True))


def test_every_command_has_its_place_here():
    assert sorted(list_leaves(_parser())) == sorted([*WORKS, *NEEDS, *ELSEWHERE])


def test_the_packages_are_those_that_clnorm_depends_on():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    needed = {Requirement(each).name for each in declared}
    assert needed == {*ANALYSIS.values(), *TRAINING.values()}
    assert not ANALYSIS.keys() & TRAINING.keys()


def test_the_guide_installs_what_analysis_needs():
    page = (ROOT / "docs/start/install.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^pip install --no-deps \.\npip install (.*)$", page, flags=re.MULTILINE)
    assert line.split() == sorted(set(ANALYSIS.values()))


@pytest.mark.slow
@pytest.mark.parametrize("words", [words for several in WORKS.values() for words in several], ids=" ".join)
def test_analysis_works(words, ends):
    code, out, err = ends[tuple(words)]
    assert code == 0, err
    assert out


@pytest.mark.slow
@pytest.mark.parametrize("command", NEEDS)
def test_what_needs_more_says_what_and_what_installs_it(command, ends):
    code, _, err = ends[tuple(NEEDS[command])]
    where = "clnorm" if command == "doctor" else f"clnorm {command}"
    assert code == 1
    assert re.fullmatch(
        rf"error: {where}: needs [\w-]+, which is not installed; only the analysis of finished runs does without; "
        r"install it: pip install clnorm\n",
        err.splitlines(keepends=True)[-1],
    )
    assert "Traceback" not in err


@pytest.mark.slow
def test_the_doctor_shows_what_is_there_all_the_same(ends):
    lines = dict(line.split(maxsplit=1) for line in ends["doctor",][1].splitlines())
    assert {"clnorm", "torch", "numpy", "cache"} <= lines.keys()
    assert "FFmpeg" not in lines


@pytest.mark.slow
def test_an_extra_is_asked_for_by_its_own_name(ends):
    assert [ends["completion", "bash"][0], ends["tune", "--search", "tune.yaml"][0]] == [2, 1]
    assert "pip install 'clnorm[completion]'" in ends["completion", "bash"][2]
    assert "pip install 'clnorm[tune]'" in ends["tune", "--search", "tune.yaml"][2]


def test_a_module_of_others_is_not_taken_for_one_of_clnorms():
    assert explain_missing("mynorms", where="clnorm run") is None
    assert explain_missing("torch._C", where="clnorm run") is None  # torch is there, and broken
    assert str(explain_missing("markupsafe", where="clnorm report")) == (
        "clnorm report: needs jinja2, which is not installed; install it: pip install jinja2"
    )
