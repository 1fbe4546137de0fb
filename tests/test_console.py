"""Progress on the terminal: a bar on a TTY, lines elsewhere, and nothing of it on stdout."""

import pytest

from clnorm.console import ConsoleReporter


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
