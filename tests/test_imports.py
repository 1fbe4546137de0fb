"""The arrows of the architecture, read from the source: who may import whom, no circle, and Avalanche's two places."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "clnorm"

# Each room may import itself and the rooms of the floors below its own.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["tuning", "leaderboard", "card"],
    ["launch", "submission"],
    ["experiment"],
    ["strategies", "explain", "report"],
    ["training", "audit", "conformance", "deploy", "figures", "citations"],
    ["execution", "streams", "memory", "plasticity", "tables", "loggers"],
    ["data", "models", "results"],
    ["config", "norms", "evaluation", "pages"],
    ["catalogue", "console", "environment", "files", "reading"],
    ["ranks"],
    ["errors", "seeding", "progress"],
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}


def imports_of(path: Path) -> set[str]:
    """All that a file imports, modules and names in them, inside of functions and for types alone too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


# The package's face hands out names of all rooms, when they are asked for.
ARROWS = {
    name: {other for other in imports_of(path) if other in FILES and other not in (name, "clnorm")}
    for name, path in FILES.items()
    if name != "clnorm"
}


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_room_has_a_floor():
    assert {room(name) for name in ARROWS} == set(FLOOR_OF)


@pytest.mark.parametrize("name", ARROWS)
def test_imports_point_down(name):
    for other in ARROWS[name]:
        if room(other) != room(name):
            assert FLOOR_OF[room(name)] < FLOOR_OF[room(other)], f"{name} imports {other}"


def test_no_file_imports_itself_by_way_of_others():
    def below(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a circle: {' -> '.join([*way[way.index(name) :], name])}"
        if name not in done:
            for other in sorted(ARROWS[name]):
                below(other, (*way, name))
            done.add(name)

    done: set[str] = set()
    for name in ARROWS:
        below(name, ())


@pytest.mark.parametrize("name", ARROWS)
def test_avalanche_is_for_training_and_strategies(name):
    if room(name) not in ("training", "strategies"):
        assert not any(other.split(".")[0] == "avalanche" for other in imports_of(FILES[name]))


@pytest.mark.parametrize(
    "name", ["config", "catalogue", "evaluation", "results", "tables", "figures", "citations", "streams"]
)
def test_rooms_that_know_no_torch_where_they_are_imported(name):
    """At the top of a file, that is: a function that reads a state may import it."""
    for path in sorted((ROOT / name).rglob("*.py")):
        top = ast.parse(path.read_text(encoding="utf-8")).body
        for node in top:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                assert not any(each.split(".")[0] == "torch" for each in names), path


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_no_print(path):
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not any(getattr(call, "id", "") == "print" for call in calls)


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_one_function_makes_text_for_the_terminal(path):
    """`as_text`, which shows control characters as escapes; and consoles are opened in few places."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = {getattr(call, "id", "") for call in calls}
    place = path.relative_to(ROOT).as_posix()
    assert "Text" not in names or place == "console.py"
    assert "Console" not in names or place in (
        "console.py",
        "cli/output.py",
        "cli/results/table.py",
        "tables/formats.py",
    )
    written = [ast.unparse(call.value) for call in calls if getattr(call, "attr", "") == "write"]
    assert not {"sys.stdout", "sys.stderr"} & set(written) or place == "cli/output.py"


def test_no_folder_is_crowded():
    folders = [folder for folder in [ROOT, *ROOT.rglob("*")] if folder.is_dir()]
    crowded = {str(folder): len(list(folder.glob("*.py"))) for folder in folders}
    assert {folder: count for folder, count in crowded.items() if count > 24} == {}
    loose = {path.stem for path in ROOT.glob("*.py")} - {"__init__", "__main__"}
    assert len(loose) <= 9, loose
