"""The arrows of the architecture, read from the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "clnorm"

# Each layer may import itself and the layers named after it in this list of levels.
LEVELS = [
    ["__main__"],
    ["cli"],
    ["launch", "audit", "console", "listing", "doctor", "exporting", "__init__"],
    ["experiment", "inference", "report", "conformance", "norm_audit"],
    ["training"],
    ["strategies"],
    ["streams", "models", "records"],
    ["norms", "data", "evaluation", "environment", "progress"],
    ["config"],
    ["sections"],
    ["fields", "catalogue"],
    ["registry"],
    ["files"],
    ["errors", "seeding"],
]
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}
MODULES = sorted(path for path in ROOT.rglob("*.py"))


def imported_by(path: Path) -> set[str]:
    """All modules that a file imports, inside of functions too, but not those imported for types alone."""
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def layer(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    own = layer(path)
    for name in imported_by(path):
        if not name.startswith("clnorm.") or own == "__init__":
            continue
        other = name.split(".")[1]
        if other != own:
            assert LEVEL_OF[own] < LEVEL_OF[other], f"{own} imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_avalanche_stays_behind_streams_and_strategies(path):
    if layer(path) not in ("streams", "strategies"):
        assert not any(name.split(".")[0] == "avalanche" for name in imported_by(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_print(path):
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not any(getattr(call, "id", "") == "print" for call in calls)
