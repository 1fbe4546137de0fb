"""What reaches stdout: names made visible, and a line where it cannot take what is printed."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from clnorm.cli.main import main
from clnorm.cli.output import print_json, print_text, rich_stdout
from clnorm.console import as_text, visible
from clnorm.errors import ClnormError

RUNS = Path(__file__).parents[2] / "tests" / "results" / "earlier"
EVIL = "esc\x1b[2J\u202e\x07"
SHOWN = r"esc\x1b[2J\u202e\x07"


class Full(io.StringIO):
    """A disk without room, which refuses even an empty write, as a device without a buffer does."""

    def write(self, text):
        raise OSError(28, "No space left on device")


class Ascii(io.StringIO):
    encoding = "ascii"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "code", "said"), [(">&-", 0, ""), (">/dev/full", 1, "stdout cannot be written")]
)
@pytest.mark.parametrize("command", ["list norms", "--help", "runs RUNS"])
def test_a_stdout_that_takes_nothing_is_a_line(command, redirection, code, said):
    command = f"{sys.executable} -m clnorm {command.replace('RUNS', str(RUNS))} {redirection}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 1


@pytest.mark.parametrize("command", [["runs", RUNS], ["table", RUNS], ["list"], ["show", next(RUNS.glob("*-s0-*"))]])
def test_a_full_disk_is_a_line_of_every_command_that_prints(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr("clnorm.cli.main._drop_stdout", lambda: None)
    assert main([str(word) for word in command]) == 1
    assert capsys.readouterr().err == "error: stdout cannot be written (No space left on device)\n"


@pytest.mark.parametrize("stderr", [None, Full()])
def test_a_stderr_that_takes_nothing_changes_no_exit_code(stderr, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stderr)
    assert main(["list", "nothing"]) == 2
    assert sys.stderr is None


@pytest.mark.slow
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>/dev/full >&-", ">/dev/full 2>&-"])
def test_the_exit_code_is_that_of_the_command_also_where_nothing_can_be_said(redirection):
    command = f"{sys.executable} -m clnorm list nothing {redirection}"
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    assert subprocess.run(["sh", "-c", command], capture_output=True, env=environment).returncode == 2


def test_lines_stay_and_control_characters_are_escapes(capsys):
    print_text(f"a {EVIL}\n\tb\n")
    assert capsys.readouterr().out == f"a {SHOWN}\n\tb\n"


@given(st.text(st.characters(codec=None)))
def test_json_is_visible_and_read_back_exactly(name):
    with redirect_stdout(io.StringIO()) as taken:
        print_json({name: [name]})
    assert json.loads(taken.getvalue()) == {name: [name]}
    assert all(visible(line) == line for line in taken.getvalue().split("\n"))


def test_a_character_that_stdout_has_not_is_an_escape(monkeypatch):
    monkeypatch.setattr(sys, "stdout", taken := Ascii())
    print_text("19.5 ± 1.2 \udcff")
    with rich_stdout() as console:
        console.print(as_text("跳水"))
    assert taken.getvalue() == "19.5 \\xb1 1.2 \\udcff\n\\u8df3\\u6c34\n"


def test_an_error_is_visible_with_its_traceback_too(monkeypatch, capsys):
    def fail(options):
        raise ClnormError(f"broke\n  in {EVIL}")

    monkeypatch.setattr("clnorm.cli.listing._list", fail)
    assert main(["list"]) == 1
    assert capsys.readouterr().err == f"error: broke in {SHOWN}\n"
    assert main(["list", "--debug"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert f"  in {SHOWN}\n" in told
    assert told.endswith(f"error: broke in {SHOWN}\n")


@pytest.mark.slow
def test_names_of_files_and_classes_are_visible(tmp_path, capsysbinary):
    folder = tmp_path / "videos" / EVIL
    folder.mkdir(parents=True)
    for name in (f"a{EVIL}.avi", "b\udcff.avi"):
        (folder / name).write_bytes(b"no video")
    for command in ("check", "audit"):
        main(["data", command, "folder", "--data-root", str(tmp_path)])
        captured = capsysbinary.readouterr()
        shown = captured.out + captured.err
        assert not {b"\x1b", b"\x07", "\u202e".encode()} & {shown[i : i + n] for n in (1, 3) for i in range(len(shown))}
        assert SHOWN.encode() in shown


def test_no_line_of_a_table_ends_in_blanks_where_stdout_is_no_terminal(capsys):
    table = Table("a", title="short", title_justify="left")
    table.add_row("a  cell  that  is  wide " * 4)
    with rich_stdout(width=300) as console:
        console.print(table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "short"
    assert any("a  cell  that" in line for line in lines)
    assert not [line for line in lines if line != line.rstrip()]
