"""Avalanche in parts: what a run leaves unloaded, and that whoever imports Avalanche besides finds all of it."""

import subprocess
import sys

import pytest

from clnorm.training.avalanche import import_in_parts

UNUSED = [
    *("avalanche.benchmarks.classic.ex_model", "avalanche.training.supervised.icarl", "avalanche.models.pnn"),
    *("cvxopt", "gdown", "jax", "jaxopt", "psutil", "pytorchcv", "qpsolvers", "tensorboard", "torchmetrics", "wandb"),
]
# A package of Avalanche's name and manner: stars, a name that two modules define, one that its own module has too.
FAKE = {
    "__init__": "from avalanche import tools\nloaded = True",
    "tools/__init__": "'''Tools.'''\nfrom .old import *\nfrom .new import *\n"
    "from .knot import knot, tie\nfrom .rest import *",
    "tools/old": "class Hammer: pass\nclass Saw: pass",
    "tools/new": "from avalanche.tools import Saw\nclass Hammer: pass",
    "tools/knot": "def knot(): return 'tied'\ntie = knot",
    "tools/rest": "globals()['Hidden'] = 1",
}


def run_python(code, **options):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def run_with_fake(tmp_path):
    """Runs code where `avalanche` is the package above, and clnorm has asked for it in parts."""
    for name, source in FAKE.items():
        file = tmp_path / "avalanche" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    (tmp_path / "avalanche" / "tools" / "alone.py").write_text("")
    start = "import sys, threading\nimport clnorm.training\n"

    def run(code):
        return run_python(start + code, cwd=tmp_path).split()

    return run


@pytest.mark.slow
def test_a_run_leaves_unloaded_what_it_does_not_use_and_others_find_all_of_it_unchanged():
    code = (
        "import pickle, sys\n"
        "import clnorm.strategies.baselines, clnorm.strategies.ewc, clnorm.strategies.replay, clnorm.training.loop\n"
        "from clnorm.training.trainer import ClipStrategy, EvaluationPlugin\n"
        f"loaded = set({UNUSED}) & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "held = {name: dict(vars(module)) for name, module in sys.modules.items() if name.startswith('avalanche.')}\n"
        "from avalanche.training import Naive\n"
        "import avalanche\n"
        "assert avalanche.training.Naive is Naive and avalanche.__version__\n"
        "assert avalanche.training.plugins.EvaluationPlugin is EvaluationPlugin\n"
        "assert pickle.loads(pickle.dumps(EvaluationPlugin)) is EvaluationPlugin\n"
        "assert issubclass(ClipStrategy, avalanche.training.templates.SupervisedTemplate)\n"
        "for package in held:\n"
        "    dir(sys.modules[package])\n"
        f"missing = set({UNUSED}) - set(sys.modules)\n"
        "assert not missing, missing\n"
        "for package, names in held.items():\n"
        "    for name, value in names.items():\n"
        "        assert name.startswith('__') or vars(sys.modules[package])[name] is value, (package, name)\n"
        "from torch.utils.data import Dataset\n"
        "assert Dataset.__add__.__module__ == 'avalanche'"
    )
    run_python(code)


@pytest.mark.slow
def test_an_avalanche_that_was_imported_first_is_left_alone():
    code = (
        "import sys, avalanche\n"
        "finders, plugin = list(sys.meta_path), avalanche.core.SupervisedPlugin\n"
        "from clnorm.training.trainer import SupervisedPlugin\n"
        "assert SupervisedPlugin is plugin and sys.meta_path == finders"
    )
    run_python(code)


@pytest.mark.parametrize(("release", "added"), [("0.6.0", 1), ("0.7.0", 0), ("missing", 0)])
def test_a_release_that_was_not_tested_is_imported_as_usual(monkeypatch, release, added):
    for module in [name for name in sys.modules if name.partition(".")[0] == "avalanche"]:
        monkeypatch.delitem(sys.modules, module)
    finders = [finder for finder in sys.meta_path if "clnorm" not in type(finder).__module__]
    monkeypatch.setattr(sys, "meta_path", list(finders))
    monkeypatch.setattr("clnorm.training.avalanche.package_version", lambda package: release)
    for _ in range(2):  # once is enough
        import_in_parts()
        assert len(sys.meta_path) == len(finders) + added


def test_only_the_module_of_a_name_is_imported(run_with_fake):
    code = "from avalanche.tools import Saw; print(*(name for name in sys.modules if name.startswith('avalanche.')))"
    assert run_with_fake(code) == ["avalanche.tools", "avalanche.tools.old"]


def test_of_two_modules_with_a_name_the_last_one_counts(run_with_fake):
    assert run_with_fake("from avalanche.tools import Hammer; print(Hammer.__module__)") == ["avalanche.tools.new"]


@pytest.mark.slow
def test_a_name_that_a_module_and_a_function_in_it_share_is_the_functions(run_with_fake):
    assert run_with_fake("from avalanche.tools import tie, knot; print(knot())") == ["tied"]
    assert run_with_fake("import avalanche.tools.knot; print(avalanche.tools.knot())") == ["tied"]


@pytest.mark.slow
def test_names_that_the_source_does_not_show_are_found(run_with_fake):
    assert run_with_fake("from avalanche.tools import Hidden; print(Hidden)") == ["1"]
    assert run_with_fake("from avalanche.tools import *; print(Hidden, Hammer.__module__)") == [
        "1",
        "avalanche.tools.new",
    ]
    names = run_with_fake("import avalanche; print(avalanche.tools.__doc__, *dir(avalanche.tools))")
    assert {"Tools.", "Hammer", "Hidden", "Saw", "knot", "new", "tie"} <= set(names)


@pytest.mark.slow
def test_a_submodule_that_no_import_names_is_found_and_a_wrong_name_is_an_error(run_with_fake):
    assert run_with_fake("from avalanche.tools import alone; print(alone.__name__)") == ["avalanche.tools.alone"]
    code = (
        "import avalanche\ntry: avalanche.tools.Wrench\nexcept AttributeError as error: print('Wrench' in str(error))"
    )
    assert run_with_fake(code) == ["True"]
    assert run_with_fake("import avalanche; print(hasattr(avalanche.tools, 'Wrench'), avalanche.loaded)") == [
        "False",
        "True",
    ]


def test_threads_that_ask_at_once_get_the_same(run_with_fake):
    code = (
        "import avalanche\n"
        "found, start = [], threading.Barrier(8)\n"
        "def ask(name):\n"
        "    start.wait()\n"
        "    found.append(getattr(avalanche.tools, name))\n"
        "threads = [threading.Thread(target=ask, args=[name]) for name in ('Hammer', 'Hidden') * 4]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(len(found), len(set(found)))"
    )
    assert run_with_fake(code) == ["8", "2"]
