"""Wrong command lines and YAML files, drawn from a seed: tracebacks, unplanned errors, and messages that do not help.

    python benchmarks/fuzz.py --count 3000 --seed 0

Every input passes `clnorm.cli.main` in this process, with `--dry-run` where a command would train. An outcome is right
in three cases only: exit code 0; exit code 2 with one line that names what is wrong (the key, the flag, or the value as
it was given) and what is near it, is legal, or is to be done; exit code 1 with a failure of `FAILURES`. What argparse
finds, and a `SystemExit`, are judged by the same rule. Exit code 1 of this script: some outcome was not right.
"""

import argparse
import contextlib
import io
import os
import random
import re
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clnorm.catalogue import REGISTRIES
from clnorm.cli.main import main
from clnorm.config.config import Config
from clnorm.config.fields import list_keys, list_sections
from clnorm.console import visible

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


# What names another command in place of the key, each with the reason why that is enough.
INSTEAD = {
    "is not YAML": "a text that is no YAML has no keys; the message has the line",
    "clnorm run --config": "a file without a grid, given to sweep, is a run's as a whole",
    "clnorm sweep": "a file with a grid, given to run, is a sweep's as a whole",
    "the following arguments are required": "what is wrong is not among the words: it is named as missing",
}
# Failures that are not the user's mistake, each with the reason; of these inputs none should meet one.
FAILURES: dict[str, str] = {}


@dataclass(frozen=True)
class Draw:
    """One input.

    Args:
        words: the command line.
        wrong: texts of which a message must name one: the key or flag at fault, or the value.
        meant: a legal name that one character was changed of, which a message must have; empty where there is none.
    """

    words: tuple[str, ...]
    wrong: tuple[str, ...]
    meant: str = ""


def draw_command(random_: random.Random, file: Path) -> Draw:
    """A command line with one wrong word or several."""
    kind = random_.randrange(4)
    if kind == 0:
        key, value = random_.choice(NAMED), random_.choice(ODD)
        return Draw(("run", "--dry-run", "--set", f"{key}={value}"), (key, key.rpartition(".")[2]))
    if kind == 1:
        key = random_.choice(NAMED)
        changed = mutate(random_, key)
        return Draw(("run", "--dry-run", "--set", f"{changed}=1"), (changed, key), key)
    if kind == 2:
        verb = random_.choice(VERBS)
        words = [random_.choice([random_.choice(FLAGS), random_.choice(ODD)]) for _ in range(random_.randrange(1, 5))]
        dry = ["--dry-run"] if verb in ("run", "sweep", "time") else []
        return Draw((verb, *dry, *words), (*dry, *words, *([] if verb in known_verbs() else [verb])))
    plural = random_.choice(sorted(REGISTRIES))
    changed = mutate(random_, plural)
    return Draw(("list", changed), (changed, plural), plural)


def draw_yaml(random_: random.Random, file: Path) -> Draw:
    """A YAML file with one wrong key or value, given to a run or a sweep."""
    value: Any = random_.choice(ODD)
    key = random_.choice(NAMED)
    section, _, last = key.rpartition(".")
    inner = f"{last}: {value}"
    text = f"{section}: {{{inner}}}\n" if section else f"{inner}\n"
    wrong = {key, last}
    if random_.random() < 0.3:
        text = mutate(random_, text)
        wrong |= {*re.findall(r"[^\W\d]\w+", text), file.name}
    if random_.random() < 0.3:
        text = random_.choice([f"config: {{}}\ngrid: {{{key}: [{value}]}}\n", f"grid: {{{key}: {value}}}\n"])
        wrong = {key, last}
    file.write_text(text, encoding="utf-8")
    verb = ("sweep", str(file)) if "grid" in text or random_.random() < 0.1 else ("run", "--config", str(file))
    return Draw((*verb, "--dry-run"), tuple(sorted(wrong)))


def known_verbs() -> list[str]:
    """The commands that there are."""
    return [verb for verb in VERBS if verb != "doctr"]


def mutate(random_: random.Random, text: str) -> str:
    """`text` with one character less, more, or another."""
    place = random_.randrange(len(text))
    return text[:place] + random_.choice(["", "x", "é", ":", "\t", text[place] * 2]) + text[place + 1 :]


def judge(draw: Draw) -> tuple[str, str]:
    """How a command ends, as one of `exit 0`, `exit 2`, `exit 1` where right, else what is wrong; and the message."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: object = main(draw.words)
    except SystemExit as left:
        code = left.code or 0
    except BaseException:  # noqa: BLE001 - an interruption of the program's own making, too
        return "traceback", traceback.format_exc(limit=-2)
    said = err.getvalue()
    if code == 0:
        return "exit 0", said
    if code == 1 and any(failure in said for failure in FAILURES):
        return "exit 1", said
    errors = [line.removeprefix("error: ") for line in said.splitlines() if line.startswith("error: ")]
    if code != 2 or not errors or len(errors) != len(said.splitlines()):
        return "unplanned", said
    judged = [judge_message(draw, error) for error in errors]  # each names a mistake of its own
    return next((kind for kind in judged if kind == "exit 2"), judged[0]), said


def judge_message(draw: Draw, message: str) -> str:
    """`exit 2` where a message names what is wrong and helps; else what it lacks."""
    if not any(text in message for text in INSTEAD) and not any(is_named(word, message) for word in draw.wrong):
        return "unnamed"
    if draw.meant and not is_named(draw.meant, message):
        return "without what was meant"
    if "; " not in message and "are required" not in message:
        return "without help"  # nothing near, legal, or to do
    return "exit 2"


def is_named(word: str, message: str) -> bool:
    """Whether a word, not a part of a longer one, stands in a message; one of signs alone, in quotes or at its head."""
    if repr(word) in message or (word.strip() and message.startswith(f"{visible(word)}: ")):
        return True
    whole = rf"(?<![\w-])(?<![\w]\.)(?:grid\.)?{re.escape(' '.join(word.split()))}(?![\w-])"
    return bool(re.search(r"\w", word)) and re.search(whole, message) is not None


def fuzz(count: int, seed: int) -> Counter[str]:
    """Try `count` inputs and print what is wrong with some of them, each kind of message once."""
    random_, found, shown = random.Random(seed), Counter[str](), set[tuple[str, str]]()
    for _ in range(count):
        file = Path("fuzzed.yaml")
        make = draw_command if random_.random() < 0.6 else draw_yaml
        draw = make(random_, file)
        kind, said = judge(draw)
        found[kind] += 1
        if not kind.startswith("exit ") and (kind, said[:60]) not in shown:
            shown.add((kind, said[:60]))
            text = file.read_text(encoding="utf-8") if make is draw_yaml else ""
            print(f"{kind}: {draw} {text!r}: {said.strip()[-400:]}")
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
    sys.exit(int(any(not kind.startswith("exit ") for kind in found)))
