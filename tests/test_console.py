"""What goes to the terminal: names made visible; a bar on a TTY, lines elsewhere, and nothing of it on stdout."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.console import ConsoleReporter, as_text, csv_text, visible

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def report(reporter: ConsoleReporter) -> None:
    with reporter:
        reporter.note("a [note] with brackets")
        reporter.start("training", total=40, unit="clips")
        reporter.advance(10)
        reporter.epoch("experience 1/2  epoch 1/2  loss 0.500")
        reporter.advance(30)
        reporter.epoch("experience 2/2  epoch 2/2  loss 0.250")
        reporter.finish()


def test_without_a_tty_there_is_a_line_for_each_epoch(capsys):
    report(ConsoleReporter())
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[:2] == ["a [note] with brackets", "training: 40 clips"]
    assert lines[2].startswith("experience 1/2  epoch 1/2  loss 0.500")
    assert lines[3].endswith("0 s left")
    assert "clips/s" in lines[3]


def test_on_a_tty_there_is_a_bar_that_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    report(ConsoleReporter())
    captured = capsys.readouterr()
    assert captured.out == ""
    for word in ("experience 2/2  epoch 2/2  loss 0.250", "100%", "clips/s", "left"):
        assert word in captured.err
    assert "…" not in captured.err


def test_a_failure_takes_the_bar_down(capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    reporter = ConsoleReporter()

    def fail() -> None:
        with reporter:
            reporter.start("training", total=40, unit="clips")
            raise RuntimeError("broke")

    with pytest.raises(RuntimeError, match="broke"):
        fail()
    assert "\x1b[?25h" in capsys.readouterr().err, "the cursor is shown again"


def test_what_a_terminal_obeys_is_shown_as_an_escape():
    assert visible("\x1b[2J\x07 a\nb\t\x7f\x9b31m \u202egpj \u2028 \udcff") == (
        r"\x1b[2J\x07 a\nb\t\x7f\x9b31m \u202egpj \u2028 \udcff"
    )
    assert visible("dive 跳水 é 👩\u200d🦰 100 %") == "dive 跳水 é 👩\u200d🦰 100 %"


@given(st.text(st.characters(codec=None)))
def test_visible_text_is_one_line_that_can_be_written(text):
    shown = visible(text)
    shown.encode()
    assert visible(shown) == shown
    assert shown.splitlines() == ([shown] if shown else [])
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert not any(unicodedata.bidirectional(c) in BIDI for c in shown)


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "-inf", "\uff1d1", "--", "-"])
def test_a_cell_that_a_spreadsheet_would_compute_is_text(text):
    assert csv_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+3.25", "-1e-05", "-.5", "5", "dive", "a=b", "", "' =1", "1-2"])
def test_other_cells_stay(text):
    assert csv_text(text) == text


@pytest.mark.parametrize(("text", "shown"), [("\t=1", r"\t=1"), ("\r=1", r"\r=1"), ("=\x1b[1m", r"'=\x1b[1m")])
def test_what_stands_before_a_formula_is_visible(text, shown):
    assert csv_text(text) == shown


def test_brackets_in_a_name_are_no_markup():
    assert as_text("[red]a[/]", "b\n").plain == "[red]a[/]\nb\\n"


@pytest.mark.parametrize("tty", ["0", "1"])
def test_progress_shows_names_as_they_are(tty, capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", tty)
    monkeypatch.setenv("COLUMNS", "120")
    with ConsoleReporter() as reporter:
        reporter.note("note \x1b]0;title\x07")
        reporter.start("[/start]\x1b[9m", total=2, unit="clips")
        reporter.epoch("[/epoch]\x1b[9m")
    err = capsys.readouterr().err
    assert r"note \x1b]0;title\x07" in err
    assert r"[/epoch]\x1b[9m" in err
    assert "\x1b[9m" not in err
    assert "\x07" not in err
