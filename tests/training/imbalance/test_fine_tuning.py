"""Class-balanced fine-tuning: which clips, how many, at what rate, and that it goes on to the bit."""

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

import clnorm
from clnorm.config.identity import run_id
from clnorm.errors import UserError
from clnorm.training.resuming import ResumingTemplate
from tests.strategies.second import cross_entropy, mean
from tests.training.states.continued import Notes, results
from tests.training.states.test_stopping import run_stopped
from tests.training.strategies import STILL, create

UNEQUAL = {"dataset": "synthetic:classes=4,train=6,test=2,imbalance=3", "train__epochs": 1}
LATER = {"strategy": "replay:per_class=4", "train__balanced_epochs": 2, **UNEQUAL}


class Steps:
    """What passes the model at each step of fine-tuning, with outputs, loss and learning rate."""

    def __init__(self, strategy):
        self.taken, self.strategy = [], strategy
        step = strategy.optimizer_step

        def hold():
            if strategy.fine_tuning:
                rate = max(group["lr"] for group in strategy.optimizer.param_groups)
                self.taken.append((strategy.batch, strategy.mb_output.detach(), strategy.loss.detach(), rate))
            step()

        strategy.optimizer_step = hold


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["per_class=4", "per_class=none,total=9", "per_class=none,total=9,select=reservoir"])
def test_each_epoch_shows_every_class_as_often_as_was_planned(build_setup, memory):
    strategy = create(build_setup(**{**LATER, "strategy": f"er_ace:{memory}", "norm": "bn"}))
    steps = Steps(strategy)
    strategy.train_experience(0)
    assert not steps.taken, "after the first experience there is none"
    strategy.train_experience(1)
    shown = strategy.lengths.balanced[1]
    targets = np.concatenate([batch.targets.numpy() for batch, *_ in steps.taken])
    ids = np.concatenate([batch.ids.numpy() for batch, *_ in steps.taken])
    assert len(targets) == 2 * shown
    assert len(steps.taken) == strategy.lengths.fine_tuning_steps(1) == 2 * math.ceil(shown / 4)
    most = max(Counter(strategy.exemplars.labels.tolist()).values())
    for epoch in (targets[:shown], targets[shown:]):
        assert Counter(epoch.tolist()) == dict.fromkeys(set(strategy.exemplars.labels.tolist()), most)
    assert set(ids) == set(strategy.exemplars.ids.tolist())
    assert all(batch.recalled.all() for batch, *_ in steps.taken)
    assert strategy.statistics.done == strategy.statistics.total


@pytest.mark.slow
def test_the_loss_is_the_plain_one_and_the_rate_has_a_schedule_of_its_own(build_setup):
    """Of a method with a loss and a hook of its own, which both rest."""
    options = {"train__balanced_lr": 0.5, "train__lr": 1e-3, "train__warmup": 0.0, "backbone": STILL}
    strategy = create(build_setup(**{**LATER, "strategy": "agem:per_class=4", "norm": "ln", **options}))
    steps = Steps(strategy)
    for index in range(2):
        strategy.train_experience(index)
    count = len(steps.taken)
    for step, (batch, outputs, loss, rate) in enumerate(steps.taken):
        expected = mean(
            cross_entropy(row, int(target), range(4)) for row, target in zip(outputs, batch.targets, strict=True)
        )
        torch.testing.assert_close(loss, expected.reshape(loss.shape), rtol=1e-5, atol=1e-6)
        assert rate == pytest.approx(0.5 * 1e-3 * 0.5 * (1 + math.cos(math.pi * step / count)))


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"train__ema": 0.9}])
def test_what_follows_goes_by_the_fine_tuned_model(build_setup, changes):
    """Payload and statistics; and the average of the weights is of these steps alone."""
    strategy = create(
        build_setup(**{**LATER, "strategy": "der:per_class=4", "norm": "bn:recalibrate=current", **changes})
    )
    Steps(strategy)
    for index in range(2):
        strategy.train_experience(index)
    model, taken = strategy.evaluated_model, strategy.exemplars.ids[-1:]
    kept = strategy.exemplars.payload["logits"][-1]
    ((_, clips),) = strategy.inputs.read([taken])
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(clips)[0], kept, rtol=1e-4, atol=1e-5)
    if changes:
        assert int(strategy._average.n_averaged) == strategy.lengths.fine_tuning_steps(1)


@pytest.mark.slow
def test_ordinary_training_stays_and_all_is_counted(tiny, tmp_path):
    plain, tuned = tiny(**{**LATER, "train__balanced_epochs": 0}, out=str(tmp_path / "plain")), tiny(**LATER)
    without, record = clnorm.run(plain), clnorm.run(tuned)
    logs = [
        [json.loads(line) for line in (Path(config.out) / each.run / "log.jsonl").read_text().splitlines()]
        for config, each in ((plain, without), (tuned, record))
    ]
    own = [[(line["experience"], line["loss"]) for line in log if "fine_tuning" not in line] for log in logs]
    assert own[0] == own[1]
    extra = [line for line in logs[1] if "fine_tuning" in line]
    assert [(line["experience"], line["epoch"]) for line in extra] == [(1, 2), (1, 3)]
    assert record.cost["clips_trained"] == without.cost["clips_trained"] + sum(line["clips"] for line in extra)
    assert sum(line["clips"] for line in extra) == 2 * 4 * 4
    assert record.matrix[0] == without.matrix[0]


@pytest.mark.slow
@pytest.mark.parametrize("by", ["signal", "kill"])
@pytest.mark.parametrize("changes", [{"norm": "brn"}, {"norm": "bn", "train__forward": "separate", "train__ema": 0.5}])
def test_a_run_that_ends_within_it_goes_on_before_it_to_the_same_bits(tiny, tmp_path, monkeypatch, by, changes):
    options = {**LATER, "data__augment": "light", "data__keep": "2T", "data__jitter": True, **changes}
    whole, config = tiny(**options, out=str(tmp_path / "whole")), tiny(**options)
    record = clnorm.run(whole)
    expected = results(whole, record)
    ordinary = 2 + 4  # 8 clips by 4; 7 clips of the others by 2
    stopped = run_stopped(config, monkeypatch, steps=ordinary + 3, by=by)
    if by == "signal":
        assert "the fine-tuning after experience 2; its state is kept" in str(stopped)
    notes, trained = Notes(), []
    monkeypatch.setattr(ResumingTemplate, "after_step", lambda self: trained.append(self.fine_tuning))
    assert results(config, clnorm.run(config, reporter=notes)) == expected
    assert any("Continuing after experience 2, epoch 1, step" in text for text in notes.texts)
    assert trained
    assert all(trained)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strategy": "naive"}, "the strategy naive, which has none"),
        ({"strategy": "joint"}, "the strategy joint, which has none"),
        ({"strategy": "ewc"}, "the strategy ewc, which has none"),
        ({"train__imbalance": "balanced"}, "two things about unequal classes"),
        ({"train__imbalance": "ldam"}, "two things about unequal classes"),
        ({"strategy": "icarl"}, "icarl trains a sigmoid for each class"),
    ],
)
def test_what_it_cannot_go_with_is_refused(build_setup, changes, words):
    with pytest.raises(UserError, match=rf"train\.balanced_epochs: .*{words}"):
        create(build_setup(**{"strategy": "replay", "train__balanced_epochs": 1, **changes}))


def test_its_rate_without_its_epochs_is_refused(tiny):
    with pytest.raises(UserError, match=r"train.balanced_lr: 0.5 does nothing with train.balanced_epochs=0"):
        tiny(train__balanced_lr=0.5)
    assert tiny(train__balanced_lr=0.5, train__balanced_epochs=1).train.balanced_lr == 0.5


def test_runs_without_it_keep_their_names(tiny):
    assert run_id(tiny(train__balanced_epochs=0, train__balanced_lr=0.1)) == run_id(tiny())
    assert run_id(tiny(train__balanced_epochs=1)) != run_id(tiny())
