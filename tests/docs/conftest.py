"""The README and the documentation as what they are made of, and a desk with all that their commands work on."""

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
SIZES = {
    "dataset": "synthetic:classes=4,train=4,test=2",
    "protocol": "even:experiences=2",
    "data.frames": "4",
    "data.image_size": "16",
    "train.epochs": "1",
    "train.batch_size": "4",
}
CLASSES = ("cartwheel", "dive", "golf", "wave")  # of HMDB51
_LONG = ("guide/audit", "guide/forgetting", "guide/many-runs", "guide/predict", "guide/tuning", "extend/norm")
SLOW = {f"docs/{name}.md" for name in _LONG}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the file that it is, which the paragraph before it names."""

    language: str
    text: str
    file: str


def read_blocks(page: str) -> list[Block]:
    blocks = []
    for match in re.finditer(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        before = page[: match.start()].rstrip().rpartition("\n\n")[2]
        files = re.findall(r"`(\w+\.(?:py|yaml))`", before) if match[1] in ("python", "yaml") else []
        blocks.append(Block(match[1], match[2], files[-1] if files else ""))
    return blocks


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page" in metafunc.fixturenames:
        marked = [
            pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
            for name, text in PAGES.items()
            if "```bash" in text or "```python" in text
        ]
        metafunc.parametrize("page", marked)


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """The text of README and of each page, by its path."""
    return PAGES


@pytest.fixture(scope="session")
def blocks():
    """The fenced blocks of a text."""
    return read_blocks


@pytest.fixture(scope="session")
def shrink():
    return shrink_sizes


def shrink_sizes(arguments: list[str]) -> list[str]:
    """Arguments of a run, a sweep or a timing with small sizes instead of theirs."""
    given, kept, words = {}, [], list(arguments)
    while words:
        word = words.pop(0)
        if word == "--set":
            key, _, value = words.pop(0).partition("=")
            given[key] = value
        elif word == "--dataset":
            given["dataset"] = words.pop(0)
        else:
            kept.append(word)
    configured = yaml.safe_load(Path(kept[kept.index("--config") + 1]).read_text()) if "--config" in kept else {}
    given.setdefault("dataset", configured.get("dataset", "synthetic"))
    if given["dataset"].startswith("synthetic"):
        options = dict(pair.split("=") for pair in given["dataset"].partition(":")[2].split(",") if pair)
        options |= {"classes": "4", "train": "20" if "imbalance" in options else "4", "test": "2"}
        given["dataset"] = "synthetic:" + ",".join(f"{key}={value}" for key, value in options.items())
    swept = yaml.safe_load(Path(kept[1]).read_text())["grid"] if kept[0] == "sweep" else {}
    protocol = given.get("protocol", "swept" if "protocol" in swept else "even")
    if protocol.startswith("tcd"):
        given["protocol"] = "tcd:base=2,step=2"
    elif protocol.startswith("even"):
        given["protocol"] = SIZES["protocol"]
    given |= {key: value for key, value in SIZES.items() if key not in ("dataset", "protocol")}
    if kept[0] in ("sweep", "tune") and "--launcher" not in kept:
        kept += ["--launcher", "local:processes=1"]
    return [*kept, *(word for key, value in given.items() for word in ("--set", f"{key}={value}"))]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory):
    """A folder to work in, with the files that commands name, and a home with videos; `runs/RUN` is a finished run."""
    from clnorm.cli.main import main

    desk, home = tmp_path_factory.mktemp("desk"), tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "configs", desk / "configs")
    (desk / "results").symlink_to(ROOT / "results")
    for name in ("demo_grid", "norms"):
        file = desk / f"configs/{name}.yaml"
        sweep = yaml.safe_load(file.read_text())
        small = {"norm": ["bn", "cn"], "strategy": ["naive", "replay"], "seed": [0]}
        sweep["grid"] = {key: small[key] for key in sweep["grid"]}
        file.write_text(yaml.safe_dump(sweep, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        patch.setenv("HOME", str(home))
        assert main(shrink_sizes(["sweep", "configs/demo_grid.yaml"])) == 0
        (run,) = desk.glob("runs/demo_grid/*-cn-replay-*")
        (desk / "runs/RUN").symlink_to(run)
        lay_out_videos(desk, home)
        yield desk


def lay_out_videos(desk: Path, home: Path) -> None:
    """The synthetic clips once more: as one's own videos, in one folder, and as HMDB51's before it is prepared."""
    folders = sorted(next(Path(os.environ["CLNORM_CACHE"]).glob("synthetic/*/videos")).iterdir())
    lists = home / "downloads/splits"
    lists.mkdir(parents=True)
    (home / "flat").mkdir()
    for label, folder in zip(CLASSES, folders, strict=True):
        clips = sorted(folder.iterdir())[:6]
        lines = []
        for index, clip in enumerate(clips):
            source, take = divmod(index, 2)
            official = f"s{source}_{label}_f_cm_np1_le_bad_{take}.avi"
            copy(clip, home / "videos" / label / f"{label}_{source}_{take}.avi")
            copy(clip, home / "flat" / f"{label}_{source}_{take}.avi")
            copy(clip, home / "downloads/videos" / label / official)
            lines.append(f"{official} {2 if source == 0 else 1} \n")
        for split in (1, 2, 3):
            (lists / f"{label}_test_split{split}.txt").write_text("".join(lines))
    copy(clips[0], desk / "video.mp4")
    copy(clips[1], desk / "other.avi")


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


@pytest.fixture(scope="session")
def split_command():
    return lambda line: shlex.split(line, comments=True)[1:]
