"""Wrong command lines and YAML files, drawn from a seed: tracebacks, unplanned errors, and messages without the key.

    python benchmarks/fuzz.py --count 3000 --seed 0

Every input passes `clnorm.cli.main` in this process, with `--dry-run` where a command would train. An error is planned
where it ends in exit code 2; exit code 1 with the name of an exception is not. A message names the key where the
text that was damaged, or its key, is in it. Exit code 1 of this script: something of the three was found.
"""

import argparse
import contextlib
import io
import os
import random
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from clnorm.catalogue import REGISTRIES
from clnorm.cli.main import main
from clnorm.config.config import Config
from clnorm.config.fields import list_keys, list_sections

ODD = [
    "",
    " ",
    "-1",
    "0",
    "1e999",
    "nan",
    "inf",
    "-inf",
    "2e9",
    "1.5",
    "true",
    "null",
    "[]",
    "{}",
    "[1, 2]",
    "{a: 1}",
    "x",
]
ODD += [
    "é",
    "\u202e",
    "\x1b[31m",
    "[/]",
    "[bold]",
    "%s",
    "{0}",
    "../..",
    "a:b",
    "a:b=c",
    "bn:",
    "bn:=",
    "bn:x=1",
    "cn:groups=0",
]
ODD += [
    "replay:per_class=-1",
    "tcd:base=999",
    "even:experiences=0",
    "synthetic:classes=1",
    "=",
    "==",
    ",",
    "1" * 400,
    "None",
]
VERBS = [
    "run",
    "sweep",
    "table",
    "list",
    "time",
    "predict",
    "export",
    "runs",
    "show",
    "compare",
    "data",
    "norms",
    "doctr",
]
FLAGS = [
    "--norm",
    "--strategy",
    "--backbone",
    "--dataset",
    "--protocol",
    "--data-root",
    "--seed",
    "--out",
    "--set",
    "--config",
]
FLAGS += [
    "--epochs",
    "--resume",
    "--json",
    "--where",
    "--versus",
    "--metrics",
    "--format",
    "--top",
    "--norms",
    "--",
    "-x",
]
NAMED = [key for key in list_keys(Config) if key not in list_sections(Config)] + list_keys(Config, deep=True)


def draw_command(random_: random.Random, file: Path) -> tuple[list[str], str]:
    """A command line with one wrong word, and what its message must name."""
    kind = random_.randrange(4)
    if kind == 0:
        key, value = random_.choice(NAMED), random_.choice(ODD)
        return ["run", "--dry-run", "--set", f"{key}={value}"], key.rpartition(".")[2]
    if kind == 1:
        key = mutate(random_, random_.choice(NAMED))
        return ["run", "--dry-run", "--set", f"{key}=1"], ""
    if kind == 2:
        verb = random_.choice(VERBS)
        words = [random_.choice([random_.choice(FLAGS), random_.choice(ODD)]) for _ in range(random_.randrange(1, 5))]
        return [verb, *(["--dry-run"] if verb in ("run", "sweep", "time") else []), *words], ""
    plural = random_.choice(sorted(REGISTRIES))
    return ["list", mutate(random_, plural)], ""


def draw_yaml(random_: random.Random, file: Path) -> tuple[list[str], str]:
    """A YAML file with one wrong key or value, given to a run or a sweep."""
    value: Any = random_.choice(ODD)
    key = random_.choice(NAMED)
    section, _, last = key.rpartition(".")
    inner = f"{last}: {value}"
    text = f"{section}: {{{inner}}}\n" if section else f"{inner}\n"
    if random_.random() < 0.3:
        text = mutate(random_, text)
        last = ""
    if random_.random() < 0.3:
        text = random_.choice([f"config: {{}}\ngrid: {{{key}: [{value}]}}\n", f"grid: {{{key}: {value}}}\n"])
    file.write_text(text, encoding="utf-8")
    verb = ["sweep", str(file)] if "grid" in text or random_.random() < 0.1 else ["run", "--config", str(file)]
    return [*verb, "--dry-run"], last


def mutate(random_: random.Random, text: str) -> str:
    """`text` with one character less, more, or another."""
    place = random_.randrange(len(text))
    return text[:place] + random_.choice(["", "x", "é", ":", "\t", text[place] * 2]) + text[place + 1 :]


def judge(words: list[str], named: str) -> tuple[str, str]:
    """What is wrong with how a command ends, and the message; nothing where it is as it should be."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words)
    except SystemExit:
        return "", ""
    except BaseException:  # noqa: BLE001 - an interruption of the program's own making, too
        return "traceback", traceback.format_exc(limit=-2)
    said = err.getvalue()
    if code == 1 and "--debug for the traceback" in said:
        return "unplanned", said
    if code and not said.startswith("error: ") and "\nerror: " not in said:
        return "unplanned", said
    other_file = "is not YAML" in said or "clnorm run --config" in said or "clnorm sweep " in said
    if code == 2 and named and named not in said and not other_file:
        return "unnamed", said
    return "", ""


def fuzz(count: int, seed: int) -> Counter[str]:
    """Try `count` inputs and print what is wrong with some of them, each kind of message once."""
    random_, found, shown = random.Random(seed), Counter[str](), set[str]()
    for _ in range(count):
        file = Path("fuzzed.yaml")
        draw = draw_command if random_.random() < 0.6 else draw_yaml
        words, named = draw(random_, file)
        kind, said = judge(words, named)
        found[kind or "right"] += 1
        if kind and said[:60] not in shown:
            shown.add(said[:60])
            text = file.read_text(encoding="utf-8") if draw is draw_yaml else ""
            print(f"{kind}: {words!r} {text!r} must name {named!r}: {said.strip()[-400:]}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["CLNORM_CACHE"] = str(Path(folder) / "cache")
        found = fuzz(options.count, options.seed)
    print(dict(found))
    sys.exit(int(sum(found.values()) > found["right"]))
