"""A run that is stopped or killed within an experience goes on to the same bits, whatever it draws."""

import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

import clnorm
from clnorm import files
from clnorm.results.folder import RunFolder
from clnorm.training import loop
from clnorm.training.resuming import ResumingTemplate
from clnorm.training.states.stopping import StoppedError, wait_for_signals
from tests.training.states.continued import DRAWS, POLICIES, STORE, UNEQUAL, Notes, results

pytestmark = pytest.mark.slow

STEPS = {"train__epochs": 3, "protocol": "even:experiences=2"}
EVERYTHING = {**POLICIES, "train__epochs": 2, "save__every_epochs": 1}


def run_stopped(config, patch, *, steps, by="signal"):
    """Run until `steps` steps are done: then the process is sent SIGTERM, or dies with the states that it has kept."""
    after_step, left = ResumingTemplate.after_step, [steps]

    def stopping(self):
        left[0] -= 1
        if not left[0] and by == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        after_step(self)
        if not left[0] and by == "kill":
            raise KeyboardInterrupt

    with patch.context() as inner:
        inner.setattr(ResumingTemplate, "after_step", stopping)
        with pytest.raises(StoppedError if by == "signal" else KeyboardInterrupt) as stopped:
            clnorm.run(config)
    return stopped.value


@pytest.mark.parametrize("steps", [1, 5, 6, 11, 12])
@pytest.mark.parametrize("strategy", ["naive", "replay:per_class=2", "ewc:lam=10", "joint"])
def test_a_signal_stops_between_two_steps_and_nothing_is_done_again(tiny, tmp_path, monkeypatch, strategy, steps):
    options = {"norm": "cn", "strategy": strategy, **STEPS}
    whole, config = tiny(out=str(tmp_path / "whole"), **options), tiny(**options)
    expected = results(whole, clnorm.run(whole))
    stopped = run_stopped(config, monkeypatch, steps=steps)
    assert stopped.exit_code == 75
    assert "stopped by SIGTERM at experience" in str(stopped)
    assert "give the same command again" in str(stopped)
    notes, trained = Notes(), []
    monkeypatch.setattr(ResumingTemplate, "after_step", lambda self: trained.append(self.clock.train_iterations))
    record = clnorm.run(config, reporter=notes)
    assert results(config, record) == expected
    assert trained == list(range(steps + 1, steps + 1 + len(trained)))


@pytest.mark.parametrize("norm", ["bn", "ln", "gn", "brn", "tbbn", "adab2n", "prepbn", "bn_task", "sn", "bn_cma"])
@pytest.mark.parametrize("strategy", ["naive", "replay:per_class=2", "ewc:lam=10"])
def test_with_every_kind_of_norm(tiny, tmp_path, monkeypatch, strategy, norm):
    options = {"norm": norm, "strategy": strategy, **STEPS}
    whole, config = tiny(out=str(tmp_path / "whole"), **options), tiny(**options)
    expected = results(whole, clnorm.run(whole))
    run_stopped(config, monkeypatch, steps=8)
    assert results(config, clnorm.run(config)) == expected


@pytest.mark.parametrize("steps", [3, 5, 6])
@pytest.mark.parametrize("by", ["signal", "kill"])
def test_under_every_policy(tiny, tmp_path, monkeypatch, by, steps):
    whole, config = tiny(**EVERYTHING, out=str(tmp_path / "whole")), tiny(**EVERYTHING)
    expected = results(whole, clnorm.run(whole))
    run_stopped(config, monkeypatch, steps=steps, by=by)
    assert results(config, clnorm.run(config)) == expected


@pytest.mark.parametrize("case", DRAWS)
def test_with_all_that_draws(tiny, tmp_path, monkeypatch, case):
    options = {**UNEQUAL, **STORE, **DRAWS[case], "train__epochs": 2}
    whole, config = tiny(**options, out=str(tmp_path / "whole")), tiny(**options)
    expected = results(whole, clnorm.run(whole))
    run_stopped(config, monkeypatch, steps=7)
    assert results(config, clnorm.run(config)) == expected


def test_a_run_can_be_stopped_again_and_again(tiny, tmp_path, monkeypatch):
    options = {"norm": "cn", "strategy": "replay:per_class=2", **STEPS}
    whole, config = tiny(out=str(tmp_path / "whole"), **options), tiny(**options)
    expected = results(whole, clnorm.run(whole))
    for steps in (1, 3, 2, 4):
        run_stopped(config, monkeypatch, steps=steps)
    assert results(config, clnorm.run(config)) == expected


def test_the_state_before_a_damaged_one_is_taken_and_said(tiny, tmp_path, monkeypatch):
    options = {"norm": "bn", "strategy": "ewc:lam=10", **STEPS, "save__every_epochs": 1}
    whole, config = tiny(out=str(tmp_path / "whole"), **options), tiny(**options)
    record = clnorm.run(whole)
    expected = results(whole, record)
    run_stopped(config, monkeypatch, steps=8)
    folder = RunFolder(Path(config.out) / record.run)
    content = bytearray(folder.state.newest.read_bytes())
    content[len(content) // 2] ^= 1
    folder.state.newest.write_bytes(content)
    notes = Notes()
    assert results(config, clnorm.run(config, reporter=notes)) == expected
    assert any("state.pt is damaged" in text and "the state before it is taken" in text for text in notes.texts)
    assert not list(folder.path.glob("state*"))


def test_a_state_of_another_run_is_refused(tiny, tmp_path, monkeypatch):
    first, second = tiny(**STEPS), tiny(**STEPS, seed=1)
    run_stopped(first, monkeypatch, steps=2)
    run_stopped(second, monkeypatch, steps=2)
    one, two = sorted(Path(first.out).iterdir())
    shutil.copy(one / "state.pt", two / "state.pt")
    with pytest.raises(clnorm.ClnormError, match=r"state\.pt: does not fit this run \(it is of "):
        clnorm.run(second)


def test_a_second_signal_is_left_where_several_processes_share_the_run():
    """torchrun and batch systems pass on a signal that the processes may have had already."""
    notes = Notes()
    with wait_for_signals(notes, shared=True) as request:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
        assert request.name == "SIGINT"
    assert len(notes.texts) == 1
    assert "again" not in notes.texts[0]


def test_a_sigterm_that_comes_twice_at_once_is_one_and_a_later_one_ends_the_process(monkeypatch):
    before, now = [], [100.0]
    monkeypatch.setattr("clnorm.training.states.stopping.time.monotonic", lambda: now[0])
    previous = signal.signal(signal.SIGTERM, lambda number, frame: before.append(number))
    try:
        with wait_for_signals(Notes()) as request:
            for moment in (100.0, 100.5):
                now[0] = moment
                signal.raise_signal(signal.SIGTERM)
            assert request.name == "SIGTERM"
            assert not before
            now[0] = 101.5
            signal.raise_signal(signal.SIGTERM)
            assert before == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, previous)


@pytest.mark.parametrize(("first", "second"), [("SIGINT", "SIGINT"), ("SIGTERM", "SIGINT"), ("SIGINT", "SIGTERM")])
def test_any_other_second_signal_does_what_it_did_before(first, second):
    before = []
    previous = {
        name: signal.signal(getattr(signal, name), lambda number, frame: before.append(number))
        for name in ("SIGINT", "SIGTERM")
    }
    try:
        with wait_for_signals(Notes()) as request:
            signal.raise_signal(getattr(signal, first))
            assert (request.name, before) == (first, [])
            signal.raise_signal(getattr(signal, second))
            assert before == [getattr(signal, second)]
    finally:
        for name, handler in previous.items():
            signal.signal(getattr(signal, name), handler)


def test_what_was_made_otherwise_stands_in_the_record(tiny, tmp_path, monkeypatch):
    options = {"norm": "cn", **STEPS}
    whole, config = tiny(out=str(tmp_path / "whole"), **options), tiny(**options)
    record = clnorm.run(whole)
    assert record.earlier == []
    run_stopped(config, monkeypatch, steps=4)
    read = loop.read_versions
    monkeypatch.setattr(loop, "read_versions", lambda device: {**read(device), "torch": "99", "device": "another CPU"})
    notes = Notes()
    continued = clnorm.run(config, reporter=notes)
    assert results(config, continued) == results(whole, record)
    (part,) = continued.earlier
    assert part["until"] == "experience 1, epoch 2, step 2"
    assert part["versions"] == record.versions
    assert any(
        f"torch {record.versions['torch']}, now 99" in text and "its record says so" in text for text in notes.texts
    )


def test_a_full_disk_leaves_the_state_that_was_there(tiny, tmp_path, monkeypatch):
    options = {"norm": "cn", **STEPS}
    whole, config = tiny(out=str(tmp_path / "whole"), **options), tiny(**options, save__every_epochs=1)
    expected = results(whole, clnorm.run(whole))
    write, left = files.new_file, [2]

    @contextmanager
    def fill(path):
        if path.name.startswith(".state"):
            left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device", str(path))
        with write(path) as file:
            yield file

    with monkeypatch.context() as patch:
        patch.setattr(files, "new_file", fill)
        with pytest.raises(clnorm.ClnormError, match=r"state_next\.pt: cannot be written \(No space left on device\)"):
            clnorm.run(config)
    notes = Notes()
    assert results(config, clnorm.run(config, reporter=notes)) == expected
    assert "Continuing after experience 1, epoch 2, step 2, of 2 experiences" in notes.texts
