"""Avalanche's own plug-ins against clnorm's strategies, where both define the same; and what classes are given."""

import pytest
import torch

from clnorm.catalogue import STRATEGIES
from clnorm.errors import ClnormError, UserError
from clnorm.training.fit import build_strategy
from clnorm.training.plugin import MethodPlugin
from clnorm.training.trainer import ClipStrategy
from tests.strategies.plainly import THREE, distance
from tests.training.foreign import plugins

HOME = "avalanche.training.plugins"
PAIRS = {
    "ewc:lam=50,fisher=avalanche": "EWCPlugin:ewc_lambda=50",
    "ewc:lam=50,fisher=avalanche,mode=online,gamma=0.5": "EWCPlugin:ewc_lambda=50,mode=online,decay_factor=0.5",
}


def train(setup):
    torch.nn.init.normal_(setup.model.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    strategy = build_strategy(setup)
    for index in range(len(setup.stream.experiences)):
        strategy.train_experience(index)
    return strategy


@pytest.mark.slow
@pytest.mark.parametrize("own", PAIRS)
def test_both_train_the_same_model(build_setup, in_double, own):
    options = {**THREE, "train__label_smoothing": 0.0}
    ours = train(build_setup(strategy=own, **options))
    theirs = train(build_setup(strategy=f"{HOME}:{PAIRS[own]}", **options))
    naive = train(build_setup(**options))
    assert distance(ours.model, theirs.model) < 1e-6
    assert distance(ours.model, naive.model) > 1e-3


@pytest.mark.parametrize(
    ("options", "given"),
    {
        "rate=0.5": (0.5, 10, None, "a", True),
        "rate=3,size=2.5,decay=0.9,name=7": (3, 2.5, 0.9, "7", True),
        "rate=word,decay=none": ("word", 10, None, "a", True),
        "rate=true,size=4": (True, 4, None, "a", True),
    }.items(),
)
def test_arguments_are_options(build_setup, options, given):
    strategy = build_strategy(build_setup(strategy=f"{plugins.__name__}:Optional:{options}"))
    assert strategy._given[0].given == given


@pytest.mark.parametrize(
    ("text", "message"),
    {
        f"{plugins.__name__}:Optional": "needs a value for its option 'rate'",
        f"{plugins.__name__}:Optional:rate=1,size=big": "'big' is not legal; legal: a number",
        f"{plugins.__name__}:Optional:rate=1,model=2": "no option 'model'",
        f"{HOME}:LwFPlugin:alpa=1": "did you mean 'alpha'",
    }.items(),
)
def test_options_that_it_does_not_have(text, message):
    with pytest.raises(UserError, match=message):
        STRATEGIES.parse(text)


def test_what_it_refuses_is_told(build_setup):
    with pytest.raises(UserError, match=r"EWCPlugin refuses its arguments: AssertionError: You need to set `online`"):
        build_strategy(build_setup(strategy=f"{HOME}:EWCPlugin:ewc_lambda=1,decay_factor=0.5"))


class ByName(ClipStrategy):
    """Takes its setup by name."""

    def __init__(self, *, setup, keep: int = 3):
        super().__init__(setup=setup)
        self.keep = keep


class NoStrategy:
    def __init__(self, setup):
        pass


class Stateless(MethodPlugin):
    """Keeps nothing, and does not say so."""


class Fails(MethodPlugin):
    """Fails in one hook."""

    def __init__(self, hook: str):
        super().__init__()
        setattr(self, hook, self.fail)

    def fail(self, strategy, *rest, **kwargs):
        raise IndexError("nothing there")

    def state_dict(self):
        return {}

    def load_state_dict(self, state): ...


def stateless(setup):
    return ClipStrategy(setup=setup, plugins=[Stateless()])


def test_a_class_derived_from_clip_strategy(build_setup):
    strategy = build_strategy(build_setup(strategy=f"{__name__}:ByName:keep=5"))
    assert (type(strategy), strategy.keep) == (ByName, 5)
    assert type(build_strategy(build_setup(strategy="clnorm.training.trainer:ClipStrategy"))) is ClipStrategy


def test_a_plugin_of_a_method_by_its_class(build_setup):
    strategy = build_strategy(build_setup(strategy="clnorm.strategies.mas:MASPlugin:lam=1"))
    assert [type(method).__name__ for method in strategy.methods] == ["MASPlugin"]


def test_a_plugin_with_a_loss_of_its_own_is_not_taken_without_it(build_setup):
    with pytest.raises(UserError, match=r"LwFPlugin gives a loss in place of .*plugins=\[plugin\], loss=plugin.loss"):
        build_strategy(build_setup(strategy="clnorm.strategies.lwf:LwFPlugin:lam=1,temperature=2"))


def test_what_fails_when_it_is_made_is_named(build_setup):
    with pytest.raises(
        UserError, match=r"strategy: '.*:stateless' cannot be made \(TypeError: Can't instantiate abstract"
    ):
        build_strategy(build_setup(strategy=f"{__name__}:stateless"))


@pytest.mark.parametrize("hook", ["before_backward", "finish"])
def test_an_error_in_a_hook_names_the_plugin_the_hook_and_the_line(build_setup, hook):
    strategy = build_strategy(build_setup(strategy=f"{__name__}:Fails:hook={hook}"))
    message = rf"the plug-in Fails failed in {hook}: IndexError: nothing there \(test_foreign\.py, line \d+\)"
    with pytest.raises(ClnormError, match=rf"strategy .*Fails: {message}"):
        strategy.train_experience(0)


def test_what_is_no_strategy_is_refused_by_name(build_setup):
    with pytest.raises(UserError, match=r"NoStrategy' has returned a NoStrategy, and must return a ClipStrategy"):
        build_strategy(build_setup(strategy=f"{__name__}:NoStrategy"))
