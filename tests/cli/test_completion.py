"""`clnorm completion`: what a shell offers with its script."""

import re
import subprocess
import sys

import pytest

from clnorm.catalogue import NORMS, REGISTRIES, STRATEGIES
from clnorm.cli.main import main
from clnorm.deploy.export import FORMATS as EXPORTS
from clnorm.tables.make import FORMATS
from clnorm.tables.names import KINDS
from clnorm.tables.styles import STYLES

# The variables that bash sets before it calls a completion function; the word to complete is the last.
PRESS_TAB = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
$(complete -p clnorm | sed 's/.*-F \\([^ ]*\\).*/\\1/') clnorm "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def write(capsys):
    """The script for a shell."""

    def write_script(shell):
        assert main(["completion", shell]) == 0
        return capsys.readouterr().out

    return write_script


@pytest.fixture
def offer(tmp_path, write):
    """What a real bash offers for the last word of a command line."""
    script = tmp_path / "clnorm.bash"
    script.write_text(write("bash"))

    def press_tab(*words):
        shell = ["bash", "--norc", "-c", PRESS_TAB, "bash", str(script), "clnorm", *words]
        done = subprocess.run(shell, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert not done.stderr
        return done.stdout.split()

    return press_tab


def test_bash_offers_names_flags_and_commands(offer):
    assert offer("run", "--norm", "") == NORMS.names()
    assert offer("run", "--norm", "bn_") == ["bn_cma", "bn_frozen", "bn_task"]
    assert offer("run", "--seed", "1", "--strategy", "") == STRATEGIES.names()
    assert offer("norms", "check", "bn_t") == ["bn_task"]
    assert offer("run", "--dr") == ["--dry-run"]
    assert offer("da") == ["data"]
    assert offer("data", "") == ["prepare", "check", "audit"]
    assert offer("completion", "") == ["bash", "zsh", "fish"]


def test_bash_offers_the_words_that_a_command_takes(offer):
    assert offer("list", "") == [*REGISTRIES, "config", "metrics"]
    assert offer("table", "--format", "") == list(FORMATS)
    assert offer("table", "--style", "") == list(STYLES)
    assert offer("table", "--rows", "") == list(KINDS)
    assert offer("table", "--cols", "") == list(KINDS)
    assert offer("export", "--format", "") == list(EXPORTS.words)


@pytest.mark.parametrize("verb", ["run", "time", "sweep"])
def test_bash_offers_the_configuration_keys_that_hold_a_value(offer, verb):
    offered = offer(verb, "--set", "")
    assert {"norm=", "seed=", "train.epochs=", "data.image_size="} <= {*offered}
    assert not {"train=", "data=", "model="} & {*offered}, "a section is no key to set"
    assert offer(verb, "--seed", "1", "--set", "train.ep") == ["train.epochs="]
    assert not offer(verb, "--set", "nothing.")
    assert offer("table", "--where", "train.ep") == ["train.epochs="]


def test_bash_writes_no_space_behind_a_key(tmp_path, write):
    script, shown = tmp_path / "clnorm.bash", tmp_path / "shown"
    script.write_text(write("bash"))
    # `compopt` works while a shell completes only; here it tells what it is asked.
    press = f'source "{script}"; compopt() {{ echo "$@" >> "{shown}"; }}; COMP_CWORD=3; '
    press += "COMP_WORDS=(clnorm run --set train.ep); _clnorm_complete clnorm train.ep --set"
    subprocess.run(["bash", "--norc", "-c", press], check=True)
    assert "-o nospace" in shown.read_text()
    shown.write_text("")
    subprocess.run(["bash", "--norc", "-c", press.replace("train.ep", "cn").replace("--set", "--norm")], check=True)
    assert "nospace" not in shown.read_text()


def test_bash_offers_files_and_folders(offer, tmp_path):
    (tmp_path / "grid.yaml").touch()
    (tmp_path / "grids").mkdir()
    assert sorted(offer("sweep", "gri")) == ["grid.yaml", "grids"]
    assert offer("table", "gri") == ["grids"]


def test_what_another_program_takes_for_a_family_is_not_offered(offer):
    assert not [name for name in offer("run", "--backbone", "") if ":" in name]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_the_names_too(write, shell):
    script = write(shell)
    assert set(NORMS.names()) <= set(re.findall(r"\w+", script))
    assert "train.epochs=" in script


def test_a_shell_without_a_script_is_named(capsys):
    assert main(["completion", "bsh"]) == 2
    assert "no completion for 'bsh'; did you mean 'bash'?; legal: bash, fish, zsh" in capsys.readouterr().err


def test_without_its_library_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "install it: pip install 'clnorm[completion]'" in capsys.readouterr().err
