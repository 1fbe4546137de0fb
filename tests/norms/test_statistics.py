"""What running statistics do: weights of clips by hand, each norm that follows them, and a model's as a whole."""

from dataclasses import fields, replace
from itertools import combinations

import pytest
import torch
from torch import nn

from clnorm.catalogue import NORMS, STATISTICS
from clnorm.errors import ClnormError, UserError
from clnorm.norms import Norm, NormSite, RunningNorm, Statistics, StepContext, build_norm, provide_context, swap_norms
from clnorm.norms.calibrate import calibrate_norms
from clnorm.norms.running import evaluate_by_batch, statistics_of
from clnorm.seeding import torch_generator

TASKS = torch.tensor([2, 2, 2, 0, 1, 1])  # three current clips, then three from the memory
STATE = ("running_mean", "running_var", "num_batches_tracked")


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch_generator(seed, "policy test"))


def in_third(tasks=TASKS, *, memory=True):
    """The context of a batch in the third experience."""
    return StepContext(tasks, 2, 0.3, has_memory=memory)


@pytest.mark.parametrize(
    ("update", "memory", "tasks", "weights", "tracked"),
    [
        ("all", True, TASKS, None, True),
        ("none", True, TASKS, None, False),
        ("current_only", True, TASKS, [1, 1, 1, 0, 0, 0], True),
        ("memory_only", True, TASKS, [0, 0, 0, 1, 1, 1], True),
        ("memory_only", False, TASKS[:3], None, True),
        ("balanced", True, TASKS, [1 / 3, 1 / 3, 1 / 3, 1, 1 / 2, 1 / 2], True),
        # A piece of a batch without a clip that counts.
        ("current_only", True, TASKS[3:], None, False),
        ("memory_only", True, TASKS[:3], None, False),
    ],
)
def test_weights_by_hand(update, memory, tasks, weights, tracked):
    given, counts = Statistics(update=update).weigh(in_third(tasks, memory=memory))
    assert counts == tracked
    assert (given is None) == (weights is None)
    if weights is not None:
        torch.testing.assert_close(given, torch.tensor(weights, dtype=torch.float32))


def test_weights_are_worked_out_once_for_all_norms_that_are_told():
    model = nn.Sequential(*(build_norm("bn:update=balanced", 5) for _ in range(3)))
    provide_context(model, in_third())
    first, *others = (norm.tracked_weights(6)[0] for norm in model)
    assert all(torch.equal(other, first) for other in others)
    context = in_third()
    statistics = Statistics(update="balanced")
    assert statistics.weigh(context)[0] is replace(statistics, freeze_after=3).weigh(context)[0]


def test_the_experiences_in_which_statistics_stand_still():
    assert [Statistics(freeze_after=2).freezes(index) for index in range(4)] == [False, False, True, True]
    assert not any(Statistics().freezes(index) for index in range(4))


def test_what_is_not_legal_is_refused_by_hand_too():
    with pytest.raises(UserError, match=r"Statistics: update: 'balancd' is not legal; did you mean 'balanced'\?"):
        Statistics(update="balancd")
    with pytest.raises(UserError, match=r"freeze_after.*an int >= 0"):
        Statistics(freeze_after=-1)


def test_defaults_are_those_of_the_catalogue():
    assert {field.name: field.default for field in fields(Statistics)} == {
        name: option.default for name, option in STATISTICS.items()
    }


@pytest.mark.parametrize("name", NORMS.names())
def test_a_class_says_which_of_these_options_its_entry_has(name):
    entry = NORMS.get(name)
    options = [option for option in entry.options if option in STATISTICS]
    assert options == list(entry.load().statistics_options)
    assert options == [*entry.options][len(entry.options) - len(options) :], "after all others, in the order of a name"
    assert bool(options) == issubclass(entry.load(), RunningNorm)
    assert entry.lacks.keys() == STATISTICS.keys() - options


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "ln:update=balanced",
            "'ln' has no option 'update': it has no running statistics; .*these have it: bn, bn",
        ),
        ("bn_frozen:freeze_after=2", "'freeze_after': its statistics stay by themselves; .*these have it: bn, "),
        ("bn_task:freeze_after=2", "'freeze_after': it must have statistics of every experience; .*these have it: bn"),
        ("bn_task:eval=running", "'eval' of 'bn_task': 'running' is not legal; legal: task"),
        ("bn_task:recalibrate=current", "'recalibrate' of 'bn_task': 'current' is not legal; legal: buffer, none"),
    ],
)
def test_what_a_norm_does_not_have_is_refused_with_the_reason(text, words):
    with pytest.raises(UserError, match=words):
        NORMS.parse(text)


@pytest.mark.parametrize(("update", "counted"), [("current_only", [0, 1, 2]), ("memory_only", [3, 4, 5])])
def test_a_norm_tracks_the_clips_that_count_and_normalizes_by_all(update, counted):
    weighed, plain = build_norm(f"bn:momentum=1,update={update}", 5), build_norm("bn:momentum=1", 5)
    x = draw(12, 7, 5)  # two samples a clip
    provide_context(weighed, in_third())
    torch.testing.assert_close(weighed(x), plain(x))
    rows = x.view(6, 2 * 7, 5)[counted].flatten(0, 1)
    torch.testing.assert_close(weighed.running_mean, rows.mean(0))
    torch.testing.assert_close(weighed.running_var, rows.var(0))
    assert not torch.allclose(weighed.running_mean, plain.running_mean, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ("update=balanced", "tasks"),
        ("update=current_only,freeze_after=1", "tasks, experience"),
        ("update=memory_only", "tasks, experience, has_memory"),
        ("freeze_after=1", "experience"),
    ],
)
def test_a_norm_that_is_not_told_what_its_options_need_says_so_in_training(options, needs):
    norm = build_norm(f"bn:{options}", 5)
    with pytest.raises(ClnormError, match=f"BatchNorm needs {needs} of the batch"):
        norm(draw(4, 3, 5))
    assert norm.eval()(draw(4, 3, 5)).isfinite().all()
    calibrate_norms(norm.train(), [draw(4, 3, 5)])
    assert norm.num_batches_tracked == 1


def test_without_a_context_nothing_is_tracked_where_nothing_is_to_be():
    norm = build_norm("bn:update=none", 5)
    norm(draw(4, 3, 5))
    assert norm.num_batches_tracked == 0


def test_a_calibration_counts_all_clips_whatever_training_counts():
    x, state = draw(12, 7, 5), []
    for options in ("update=all", "update=current_only", "update=none", "freeze_after=1"):
        norm = build_norm(f"bn:{options}", 5)
        calibrate_norms(norm, [x], contexts=[in_third()])
        state.append(norm.running_mean)
        assert norm.num_batches_tracked == 1
        assert not norm.frozen
    torch.testing.assert_close(state[0], x.mean((0, 1)))
    assert all(torch.equal(other, state[0]) for other in state)


def test_a_frozen_norm_trains_by_its_running_statistics_which_stay():
    norm = build_norm("bn:freeze_after=2", 5)
    norm.running_mean += 1
    x = draw(6, 3, 5)
    provide_context(norm, StepContext(TASKS, 1, 0.3))
    by_batch = norm(x)
    assert norm.num_batches_tracked == 1
    torch.testing.assert_close(by_batch.mean((0, 1)), torch.zeros(5), atol=1e-6, rtol=0)
    provide_context(norm, in_third())
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    y = norm.train()(x)
    torch.testing.assert_close(y, (x - norm.running_mean) / (norm.running_var + 1e-5).sqrt())
    y.square().sum().backward()
    assert norm.weight.grad.abs().min() > 0
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_a_norm_evaluates_by_the_batch_if_it_is_to_and_only_within_the_context():
    norms = [build_norm(name, 5).eval() for name in ("bn:eval=batch", "bn")]
    x = draw(4, 3, 5) + 3
    plain = norms[0](x)
    with evaluate_by_batch(nn.Sequential(*norms)):
        torch.testing.assert_close(norms[0](x).mean((0, 1)), torch.zeros(5), atol=1e-5, rtol=0)
        assert torch.equal(norms[1](x), plain)
    assert torch.equal(norms[0](x), plain)
    assert norms[0].num_batches_tracked == 0


FOLLOWING = [name for name in NORMS.names() if "update" in NORMS.get(name).options]


def pass_batch(norm):
    """One pass in training of two samples a clip, in the third of four experiences."""
    provide_context(norm, in_third())
    return norm(draw(12, 7, 6) + torch.arange(12.0).view(-1, 1, 1))


@pytest.mark.parametrize("name", FOLLOWING)
def test_each_norm_with_running_statistics_follows_each_update(name):
    outputs, states = [], []
    for update in ("all", "current_only", "memory_only", "none"):
        norm = build_norm(f"{name}:update={update}", 6)
        outputs.append(pass_batch(norm))
        states.append(norm.running_mean.clone())
    assert all(torch.allclose(output, outputs[0], atol=1e-5) for output in outputs), "all clips normalize"
    assert not any(torch.allclose(a, b, atol=1e-3) for a, b in combinations(states, 2))
    assert not states[3].any()


@pytest.mark.parametrize("name", FOLLOWING)
def test_each_norm_with_running_statistics_stands_still_when_frozen(name):
    norm = build_norm(name, 6)
    pass_batch(norm)
    norm.statistics = Statistics(freeze_after=2)
    before = [getattr(norm, key).clone() for key in STATE]
    pass_batch(norm).square().sum().backward()
    after = [getattr(norm, key) for key in STATE]
    assert norm.frozen
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert norm.bias.grad.abs().min() > 0


@pytest.mark.parametrize("name", [name for name in FOLLOWING if "batch" in NORMS.get(name).options["eval"].words])
def test_each_norm_with_running_statistics_evaluates_by_the_batch(name):
    norm = build_norm(f"{name}:eval=batch", 6)
    pass_batch(norm)
    provide_context(norm, None)
    x = draw(12, 7, 6) + 5
    norm.eval()
    with evaluate_by_batch(norm):
        first = norm(x)
        norm.running_mean += 1
        assert torch.equal(norm(x), first)
    assert not torch.allclose(norm(x), first, atol=1e-2)


class Around(RunningNorm):
    """A norm of one's own around one of the catalogue."""

    def __init__(self, num_channels):
        super().__init__(num_channels, eps=1e-5, momentum=0.1)
        self.inner = build_norm("bn", num_channels)


class Still(Norm):
    def normalize(self, x):
        return x


class Told(RunningNorm):
    oracle = True


class Clashing(nn.Module):
    def __init__(self, num_channels, update: float = 0.5):
        super().__init__()


def make_foreign(num_channels):
    return nn.BatchNorm1d(num_channels)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Around", ["update", "recalibrate", "freeze_after", "eval", "parts"]),
        ("Still", []),
        ("Told", ["update", "recalibrate", "eval", "parts"]),
        ("make_foreign", ["update", "recalibrate", "freeze_after", "eval", "parts"]),
    ],
)
def test_a_plugin_has_the_options_that_its_class_says_and_all_where_nothing_is_known(name, options):
    entry = NORMS.get(f"{__name__}:{name}")
    assert [option for option in entry.options if option in STATISTICS] == options
    assert entry.options["axis"].default == "frame"
    if name == "Told":
        assert entry.options["eval"].default == "task"


def test_a_plugin_is_refused_what_it_does_not_have_and_a_name_that_is_taken():
    with pytest.raises(UserError, match=r"Still' has no option 'update': it has no running statistics"):
        NORMS.parse(f"{__name__}:Still:update=all")
    with pytest.raises(UserError, match=r"Clashing' has an argument 'update'.*give the argument another name"):
        NORMS.parse(f"{__name__}:Clashing")


def test_all_running_statistics_of_a_norm_and_of_a_model_do_the_same():
    asked = Statistics(update="balanced", eval="batch")
    norm = build_norm(f"{__name__}:Around:update=balanced,eval=batch", 5)
    assert norm.statistics == norm.inner.statistics == statistics_of(norm) == asked
    model = nn.Sequential(nn.LayerNorm(5))
    swap_norms(model, f"{__name__}:make_foreign:update=balanced,eval=batch")
    assert model[0].statistics == statistics_of(model) == asked  # although it could not follow
    swap_norms(model, "bn:freeze_after=3")
    assert model[0].norm.statistics == statistics_of(model) == Statistics(freeze_after=3)
    swap_norms(model, "ln")
    assert statistics_of(model) == Statistics()
    assert statistics_of(nn.Sequential(NormSite(build_norm("bn:update=none", 5), "token"))) == Statistics(update="none")


def test_a_model_whose_norms_disagree_is_refused():
    with pytest.raises(UserError, match=r"Sequential: its norms disagree .*update='all'.*update='balanced'"):
        statistics_of(nn.Sequential(build_norm("bn", 5), build_norm("bn:update=balanced", 5)))
