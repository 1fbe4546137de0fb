"""What a foreign plug-in may not do is refused where it does it, and what it draws is the run's."""

import random

import numpy as np
import pytest
import torch

import clnorm
from clnorm.cli.main import main
from clnorm.errors import ClnormError, UserError
from clnorm.execution.execution import Execution
from clnorm.training.describe import describe_memory
from clnorm.training.trainer import ClipStrategy
from tests.training.foreign import plugins
from tests.training.foreign.plugins import Draws, Holds, InPieces, LwFPlugin, OwnReplay, PassesOthers, Wrong
from tests.training.states.continued import Notes
from tests.training.states.test_stopping import run_stopped

QUICK = {"backbone": "vit_nano", "train__epochs": 1}
FAULTS = {
    "before_training_exp-loader": r"place of strategy\.dataloader in before_training_exp: .* another loader gives ids",
    "after_train_dataset_adaptation-dataset": r"strategy\.adapted_dataset in after_train_dataset_adaptation",
    "before_training_exp-model": r"strategy\.model",
    "before_forward-optimizer": r"strategy\.optimizer",
    "before_training_epoch-rate": "changes the optimizer's parameters or rates in before_training_epoch",
    "before_training-loss": r"strategy\._criterion in before_training: the loss is that of train\.loss",
    "before_training-epochs": r"strategy\.train_epochs",
    "before_forward-evaluation": r"leaves modules in evaluation mode in before_forward whose parameters train",
    "before_backward-detached": "leaves a loss without a gradient in before_backward",
    "before_backward-vector": r"leaves a loss of shape \(3,\) in before_backward",
    "after_training_exp-weights": r"changes weights in after_training_exp, which their average \(train\.ema\)",
}
ERRORS = {
    "before_backward-error": r"failed in before_backward: IndexError: .*\(plugins\.py, line \d+\)",
    "before_backward-subscript": r"TypeError: 'Batch' object is not subscriptable",
    "after_training_exp-features": r"samples are clip ids, which strategy\.model takes and other modules do not",
    "after_training_exp-unknown_clip": "after_training_exp of the plug-in Wrong: .*clip ids from 1000000",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_exchanged_behind_the_training_is_refused(build_setup, fault):
    ema = 0.5 if fault.endswith("weights") else 0.0
    strategy = ClipStrategy(setup=build_setup(train__ema=ema, **QUICK), plugins=[Wrong(fault)])
    with pytest.raises(UserError, match=FAULTS[fault]) as refused:
        strategy.train_experience(0)
    assert "plug-in Wrong" in str(refused.value)


@pytest.mark.parametrize("fault", ERRORS)
def test_an_error_in_a_hook_says_where(build_setup, fault):
    strategy = ClipStrategy(setup=build_setup(**QUICK), plugins=[Wrong(fault)])
    with pytest.raises(ClnormError, match=ERRORS[fault]) as failed:
        strategy.train_experience(0)
    assert failed.value.__cause__ is not None


@pytest.mark.parametrize(
    ("name", "reason"),
    {
        "Misspelt": r"method before_backwards, which is never called; did you mean 'before_backward'\?",
        "Evaluates": "method after_eval_exp, which is never called: clnorm evaluates by itself",
        "Nothing": "it writes no hook",
        "Criterion": "it is a criterion, and clnorm computes the loss by train.loss",
        "OwnReplay": "it replaces the loader.*use the strategy replay",
    }.items(),
)
def test_what_would_do_nothing_is_refused_before_a_clip_is_read(tiny, name, reason):
    strategy = f"{plugins.__name__}:{name}"
    with pytest.raises(UserError, match=reason):
        clnorm.run(tiny(strategy=strategy))
    assert main(["run", "--strategy", strategy, "--dry-run"]) == 2


def test_a_function_that_gives_one_is_refused_too(build_setup):
    with pytest.raises(UserError, match=r"OwnReplay cannot be used: it replaces the loader"):
        ClipStrategy(setup=build_setup(), plugins=[OwnReplay()])


def test_configurations_that_a_plugin_is_not_right_with(build_setup):
    for changes, execution, plugin, reason in (
        ({"train__accumulate": 2}, None, LwFPlugin(), "pieces of a batch, of which there are 2"),
        ({}, Execution(precision="fp16"), Wrong("after_backward-error"), "gradients, which fp16 scales"),
        ({}, Execution(compile=True), LwFPlugin(), "a compiled one cannot read"),
        ({"norm": "tbbn", "train__checkpointing": True}, None, LwFPlugin(), "tbbn is told of each batch"),
    ):
        setup = build_setup(execution=execution, **changes)
        with pytest.raises(UserError, match=reason):
            ClipStrategy(setup=setup, plugins=[plugin])
    ClipStrategy(setup=build_setup(train__accumulate=2), plugins=[InPieces()])
    ClipStrategy(setup=build_setup(norm="ln", train__checkpointing=True), plugins=[LwFPlugin()])
    ClipStrategy(setup=build_setup(execution=Execution(precision="fp16")), plugins=[LwFPlugin()])


def test_what_it_draws_is_the_runs_and_no_one_elses(build_setup):
    drawn = []
    for state in (1, 2):
        random.seed(state)
        before, plugin = random.getstate(), Draws()
        strategy = ClipStrategy(setup=build_setup(**QUICK), plugins=[plugin])
        strategy.train_experience(0)
        strategy.train_experience(1)
        assert random.getstate() == before
        drawn.append(plugin.drawn)
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == len(drawn[0]) == 4


@pytest.mark.parametrize(
    ("state", "kind"), [({"a": [np.zeros(2)]}, "ndarray"), ({"a": np.float64(1)}, "float64"), ((1, object()), "object")]
)
def test_a_state_that_would_not_be_read_back_is_refused(build_setup, state, kind):
    with pytest.raises(ClnormError, match=rf"state_dict of the plug-in Holds holds a {kind}, which is not read back"):
        ClipStrategy(setup=build_setup(), plugins=[Holds(state)]).state_dict()
    plain = {"a": [torch.zeros(2), 1.0, None], "b": {"c": (True, "text")}}
    strategy = ClipStrategy(setup=build_setup(), plugins=[Holds(plain)])
    assert strategy.state_dict()["plugins"] == [plain]
    memory = describe_memory(strategy)
    assert ("untold" in memory, memory["method_megabytes"]) == (False, pytest.approx(8 / 1e6))


def test_what_norms_add_to_the_loss_stays_that_of_the_batch(build_setup):
    losses = []
    for given in ([], [PassesOthers()]):
        strategy = ClipStrategy(setup=build_setup(norm="adab2n", **QUICK, train__precision="fp32"), plugins=given)
        added, criterion = [], strategy.criterion
        strategy.criterion = lambda added=added, strategy=strategy, criterion=criterion: (
            added.append([m.auxiliary_loss.item() for m in strategy.model.modules() if hasattr(m, "auxiliary_loss")]),
            criterion(),
        )[1]
        strategy.train_experience(0)
        losses.append(added[0])
    assert losses[0] == losses[1]
    assert any(losses[0])


@pytest.mark.slow
def test_a_stopped_run_does_not_go_on_and_says_so_at_the_start(tiny, monkeypatch):
    config, notes = tiny(strategy="avalanche.training.plugins:LwFPlugin", **QUICK), Notes()
    run_stopped(config, monkeypatch, steps=3)
    with pytest.raises(ClnormError, match="LwFPlugin has no state_dict and load_state_dict to continue with"):
        clnorm.run(config, reporter=notes)
    assert [text for text in notes.texts if "once it is stopped this run cannot go on" in text]
