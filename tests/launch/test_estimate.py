"""What a sweep will take: counted from its streams, scaled by a probe."""

from dataclasses import replace

import pytest

from clnorm.data.open import Decoding, read_table
from clnorm.errors import UserError
from clnorm.launch import estimate as estimating
from clnorm.launch.estimate import Estimate, estimate_cells
from clnorm.launch.probe import Probe, probe
from clnorm.progress import Reporter

pytestmark = pytest.mark.slow

# 4 classes of 4 training and 2 test clips in 2 experiences, 2 epochs of batches of 4: 4 + 4 steps.
STEP, LATER, AFTER, PREDICT, START = 1.0, 10.0, 100.0, 1000.0, 1e6


@pytest.fixture
def estimate(plan, monkeypatch):
    """The estimate of a sweep whose parts take round numbers of seconds."""
    real = {}

    def measured(config, table, *, seconds):
        key = (config.norm.name, str(config.strategy))
        real[key] = replace(
            probe(config, table, seconds=0.1), start=START, step=(STEP, LATER), after=AFTER, predict=PREDICT
        )
        return real[key]

    monkeypatch.setattr(estimating, "probe", measured)
    monkeypatch.setattr(estimating, "estimate_decoding", lambda config, table: Decoding(0.0, 0))

    def run(*changes):
        return estimate_cells(plan(*changes).cells, reporter=Reporter())

    return run


def test_a_run_costs_its_steps_its_ends_its_predictions_and_its_start(estimate):
    found = estimate({"strategy": "naive"})
    # 8 clips in each experience: 2 epochs of 2 batches; 4 test clips after the first experience, 8 after the second.
    assert found.seconds["train"] == 4 * STEP + 4 * LATER + 16 * AFTER
    assert found.seconds["evaluate"] == (4 + 8) * PREDICT
    assert found.seconds["start"] == START
    assert found.cells == 1
    assert found.saved == 0


def test_memory_makes_more_steps(estimate):
    found = estimate({"strategy": "replay:per_class=2"})
    assert found.seconds["train"] == 4 * STEP + 8 * LATER + 16 * AFTER


def test_joint_training_is_one_experience(estimate):
    found = estimate({"strategy": "joint"})
    assert found.seconds["train"] == 8 * STEP + 16 * AFTER
    assert found.seconds["evaluate"] == 8 * PREDICT


def test_unseen_clips_are_predicted_too(estimate):
    assert estimate({"eval__unseen": True}).seconds["evaluate"] == 3 * 8 * PREDICT


def test_a_shared_beginning_is_counted_once(estimate):
    changes = [{"strategy": name, "save__prefixes": "first"} for name in ("naive", "ewc", "replay", "joint")]
    found = estimate(*changes)
    assert found.saved == 2 * 4 * STEP
    apart = estimate(*[{**each, "save__prefixes": "none"} for each in changes])
    assert apart.saved == 0
    assert apart.hours * 3600 - found.hours * 3600 == pytest.approx(found.saved)


def test_a_norm_that_goes_by_progress_shares_with_runs_of_one_length_alone(estimate):
    changes = [{"norm": "brn", "strategy": name, "save__prefixes": "first"} for name in ("naive", "ewc", "replay")]
    assert estimate(*changes).saved == 4 * STEP


def test_finished_runs_cost_nothing(plan, estimate, write_record):
    cell = plan({"norm": "bn"}, {"norm": "cn"}).cells[0]
    write_record(cell)
    assert estimate({"norm": "bn"}, {"norm": "cn"}).cells == 1


@pytest.mark.usefixtures("estimate")
def test_runs_whose_steps_take_as_long_are_probed_once(plan, notes):
    cells = plan(*({"strategy": "naive", "train.lr": lr} for lr in (0.1, 0.2, 0.3)), {"train.batch_size": 2}).cells
    assert estimate_cells(cells, reporter=notes).cells == 4
    assert sum("probed" in text for text in notes.texts) == 2


def test_too_many_hours_are_refused():
    found = Estimate(seconds={"train": 7200.0})
    found.refuse_over(2.0)
    with pytest.raises(UserError, match=r"--max-hours: the runs take about 2 hours.*at most 1\.9"):
        found.refuse_over(1.9)


@pytest.mark.parametrize("strategy", ["naive", "replay:per_class=2", "ewc", "joint"])
@pytest.mark.parametrize("imbalance", ["none", "undersample", "feature_smote:k=1"])
def test_a_probe_runs_every_part(tiny, strategy, imbalance):
    config = tiny(strategy=strategy, train__imbalance=imbalance, norm="cn:recalibrate=current")
    found = probe(config, read_table(config, Reporter()), seconds=5)
    assert isinstance(found, Probe)
    assert min(*found.step, found.after, found.predict, found.start) > 0
    assert found.model_bytes > 100_000


@pytest.mark.parametrize("strategy", ["ncm", "slda", "ranpac"])
def test_a_strategy_that_trains_its_backbone_once_takes_no_step_later(tiny, strategy):
    config = tiny(strategy=strategy)
    found = probe(config, read_table(config, Reporter()), seconds=5)
    assert found.step[0] > 0
    assert found.step[1] == 0
    assert min(found.after, found.predict, found.start) > 0
