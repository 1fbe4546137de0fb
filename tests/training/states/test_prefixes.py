"""A run that takes over what another one trained up to the end of an experience is the run alone, bit for bit."""

import multiprocessing
from pathlib import Path

import pytest
from filelock import FileLock

import clnorm
from clnorm.training.resuming import ResumingTemplate
from tests.training.foreign import plugins
from tests.training.states.continued import DRAWS, POLICIES, UNEQUAL, Notes, results
from tests.training.states.test_stopping import run_stopped

pytestmark = pytest.mark.slow

NORMS = [
    *("bn", "ln", "gn", "in", "rms", "dyt", "derf", "cn", "brn", "tbbn", "adab2n", "prepbn"),
    *("bn_task", "sn", "bn_cma", "bn_frozen"),
]
STRATEGIES = ["naive", "replay:per_class=2", "ewc:lam=10"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An own cache, so that no other test's run is taken over."""
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compare(tiny, tmp_path):
    """Runs a configuration alone and with prefixes; both must leave the same, and the second one's record is given."""

    def run_both(**options):
        alone = tiny(out=str(tmp_path / "alone"), **options)
        shared = tiny(out=str(tmp_path / "shared"), **{"save__prefixes": "first", **options})
        record = clnorm.run(shared)
        assert results(shared, record) == results(alone, clnorm.run(alone))
        return record

    return run_both


@pytest.mark.parametrize("norm", NORMS)
def test_every_strategy_goes_on_from_one_training_of_the_first_experience(compare, norm):
    reused = [compare(norm=norm, strategy=strategy).reused for strategy in STRATEGIES]
    # Where a norm goes by the share of the run that is done, only runs of one length are the same up to there.
    by_progress = norm in ("brn", "prepbn")
    assert [bool(parts) for parts in reused] == [False, not by_progress, True]
    assert reused[2][0]["experience"] == 0
    assert reused[2][0]["seconds"] > 0


@pytest.mark.parametrize("case", DRAWS)
def test_with_all_that_draws(compare, case):
    options = {**UNEQUAL, **DRAWS[case]}
    assert not compare(**{**options, "strategy": "naive"}).reused
    assert compare(**options).reused


def test_under_every_policy(compare):
    options = {key: value for key, value in POLICIES.items() if key != "strategy"}
    assert not compare(**options, strategy="replay:per_class=2").reused
    assert compare(**options, strategy="replay:per_class=1").reused


@pytest.mark.parametrize("case", DRAWS)
def test_protocols_with_the_same_beginning_share_it(compare, case):
    options = {**UNEQUAL, **DRAWS[case], "strategy": "naive"}
    assert not compare(**options, protocol="tcd:base=2,step=2").reused
    assert compare(**options, protocol="tcd:base=2,step=1").reused


def test_later_experiences_are_shared_when_asked_for(tiny, tmp_path):
    options = {"strategy": "replay:per_class=2", "train__epochs": 1, "protocol": "even:experiences=4"}
    first, again = (tiny(**options, save__prefixes="all", out=str(tmp_path / name)) for name in ("first", "again"))
    expected = results(first, clnorm.run(first))
    record = clnorm.run(again)
    assert [part["experience"] for part in record.reused] == [0, 1, 2]
    assert results(again, record) == expected


@pytest.mark.parametrize("change", [{"seed": 1}, {"train__lr": 1e-3}, {"norm": "bn"}, {"train__epochs": 1}])
def test_what_matters_up_to_there_is_not_mixed_up(compare, change):
    assert not compare(norm="cn").reused
    assert not compare(**{"norm": "cn", **change, "strategy": "replay"}).reused


def test_joint_training_takes_nothing_over(compare):
    assert not compare(strategy="naive").reused
    assert not compare(strategy="joint").reused


@pytest.mark.parametrize(("plugin", "which"), [("Optional", "first"), ("Optional", "all"), ("OnlyLoads", "first")])
def test_a_plugin_without_state_leaves_no_beginning_that_it_could_not_take_up(tiny, tmp_path, cache, which, plugin):
    options = {"strategy": f"{plugins.__name__}:{plugin}:rate=1", "train__epochs": 1, "save__prefixes": which}
    first, again = (tiny(**options, out=str(tmp_path / name)) for name in ("first", "again"))
    expected = results(first, clnorm.run(first))
    assert not list((cache / "prefixes").glob("*"))
    record = clnorm.run(again)
    assert not record.reused
    assert results(again, record) == expected


def test_a_damaged_state_is_told_of_and_made_anew(tiny, cache):
    clnorm.run(tiny(save__prefixes="first"))
    (file,) = (cache / "prefixes").glob("*.pt")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    notes = Notes()
    assert not clnorm.run(tiny(save__prefixes="first", strategy="replay"), reporter=notes).reused
    assert any(file.name in text and "it is made anew" in text for text in notes.texts)
    assert clnorm.run(tiny(save__prefixes="first", strategy="ewc")).reused


def test_the_least_recently_used_go(tiny, cache):
    for seed in (0, 1):
        clnorm.run(tiny(save__prefixes="first", seed=seed))
    size = max(file.stat().st_size for file in (cache / "prefixes").glob("*.pt"))
    clnorm.run(tiny(save__prefixes="first", seed=0, strategy="replay"))  # used last
    clnorm.run(tiny(save__prefixes="first", seed=2, save__prefixes_gb=2.5 * size / 1e9))
    assert clnorm.run(tiny(save__prefixes="first", seed=0, strategy="ewc")).reused
    assert clnorm.run(tiny(save__prefixes="first", seed=2, strategy="ewc")).reused
    assert not clnorm.run(tiny(save__prefixes="first", seed=1, strategy="ewc")).reused


def test_a_stop_in_the_rest_of_the_run_keeps_what_was_taken_over(tiny, tmp_path, monkeypatch):
    clnorm.run(tiny(save__prefixes="first", out=str(tmp_path / "first")))
    config = tiny(save__prefixes="first", strategy="replay")

    def stop(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResumingTemplate, "after_step", stop)
        with pytest.raises(KeyboardInterrupt):
            clnorm.run(config)
    (log,) = Path(config.out).glob("*/log.jsonl")
    assert len(log.read_text().splitlines()) == 2
    record = clnorm.run(config)
    assert [part["experience"] for part in record.reused] == [0]
    assert record.cost["seconds"] > record.reused[0]["seconds"]


def test_a_run_within_an_experience_does_not_wait_for_one_that_trains_it_from_the_start(tiny, cache, monkeypatch):
    config, notes = tiny(save__prefixes="first", norm="cn", strategy="naive", save__every_epochs=1), Notes()
    run_stopped(config, monkeypatch, steps=3)
    (lock,) = (cache / "prefixes").glob("*.lock")
    with FileLock(lock):
        record = clnorm.run(config, reporter=notes)
    assert record.status == "finished"
    assert not [text for text in notes.texts if text.startswith("Waiting")]


def test_of_two_processes_one_trains_and_the_other_waits(tiny, cache):
    clnorm.run(tiny(save__prefixes="none", strategy="joint"))  # the store is there
    context = multiprocessing.get_context("spawn")
    configs = [tiny(save__prefixes="first", strategy=strategy, train__epochs=20) for strategy in STRATEGIES[:2]]
    processes = [context.Process(target=clnorm.run, args=(config,)) for config in configs]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list((cache / "prefixes").glob("*.pt"))) == 1
    assert sum(bool(clnorm.run(config).reused) for config in configs) == 1
