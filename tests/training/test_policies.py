"""Policies for running statistics: weights of clips by hand, frozen and transductive norms, and what is refused."""

from itertools import combinations

import pytest
import torch
from torch import nn

from clnorm import create_model
from clnorm.catalogue import NORMS
from clnorm.config.load import merge_config
from clnorm.errors import UserError
from clnorm.norms import NormSite, RunningNorm, StepContext, build_norm, provide_context
from clnorm.norms.frozen import FrozenBatchNorm
from clnorm.norms.running import freeze_norms, transductive_norms, weigh_clips
from clnorm.seeding import torch_generator
from clnorm.training.policies import check_policies

TASKS = torch.tensor([2, 2, 2, 0, 1, 1])  # three current clips, then three from the memory


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch_generator(seed, "policy test"))


@pytest.mark.parametrize(
    ("policy", "memory", "weights", "track"),
    [
        ("all", True, None, True),
        ("none", True, None, False),
        ("current_only", True, [1, 1, 1, 0, 0, 0], True),
        ("memory_only", True, [0, 0, 0, 1, 1, 1], True),
        ("memory_only", False, None, True),
        ("balanced", True, [1 / 3, 1 / 3, 1 / 3, 1, 1 / 2, 1 / 2], True),
    ],
)
def test_weights_by_hand(policy, memory, weights, track):
    given, tracked = weigh_clips(policy, TASKS, experience=2, has_memory=memory)
    assert tracked == track
    assert (given is None) == (weights is None)
    if weights is not None:
        torch.testing.assert_close(given, torch.tensor(weights, dtype=torch.float32))


@pytest.mark.parametrize(("policy", "tasks"), [("current_only", [0, 1]), ("memory_only", [2, 2])])
def test_a_piece_without_a_clip_that_counts_is_not_tracked(policy, tasks):
    assert not weigh_clips(policy, torch.tensor(tasks), experience=2, has_memory=True)[1]


@pytest.mark.parametrize(("policy", "counted"), [("current_only", [0, 1, 2]), ("memory_only", [3, 4, 5])])
def test_a_norm_tracks_the_clips_that_count_and_normalizes_by_all(policy, counted):
    weighed, plain = build_norm("bn:momentum=1", 5), build_norm("bn:momentum=1", 5)
    x = draw(12, 7, 5)  # two samples a clip
    weights, track = weigh_clips(policy, TASKS, experience=2, has_memory=True)
    provide_context(weighed, StepContext(TASKS, 2, 0.0, statistics=weights, track=track))
    torch.testing.assert_close(weighed(x), plain(x))
    rows = x.view(6, 2 * 7, 5)[counted].flatten(0, 1)
    torch.testing.assert_close(weighed.running_mean, rows.mean(0))
    torch.testing.assert_close(weighed.running_var, rows.var(0))
    assert not torch.allclose(weighed.running_mean, plain.running_mean, atol=1e-3)


def test_a_frozen_norm_trains_by_its_running_statistics_which_stay():
    norm = build_norm("bn", 5)
    norm.running_mean += 1
    freeze_norms(nn.Sequential(norm))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    x = draw(4, 3, 5)
    y = norm.train()(x)
    torch.testing.assert_close(y, (x - 1) / (1 + 1e-5) ** 0.5)
    y.square().sum().backward()
    assert norm.weight.grad.abs().min() > 0
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_a_transductive_norm_evaluates_by_the_batch_and_only_within_the_context():
    norm = build_norm("bn", 5).eval()
    x = draw(4, 3, 5) + 3
    plain = norm(x)
    with transductive_norms(nn.Sequential(norm)):
        torch.testing.assert_close(norm(x).mean((0, 1)), torch.zeros(5), atol=1e-5, rtol=0)
    assert torch.equal(norm(x), plain)
    assert norm.num_batches_tracked == 0


def check(norm, *, model=None, has_memory=True, experiences=3, **changes):
    config = merge_config({"norm": norm}, {key.replace("__", "."): value for key, value in changes.items()})
    if model is None:
        model = create_model(config.backbone, norm=config.norm, num_classes=2, image_size=16, num_frames=2)
    check_policies(model, config, has_memory=has_memory, experiences=experiences)


POLICIES = [
    ("train.stats_update", "balanced"),
    ("train.stats_update", "current_only"),
    ("train.recalibrate_after_exp", "current"),
    ("train.freeze_after_exp", 1),
    ("eval.stats", "batch"),
]


@pytest.mark.parametrize(("key", "value"), POLICIES)
def test_a_policy_needs_running_statistics(key, value):
    changes = {key.replace(".", "__"): value}
    check("bn", **changes)
    check("ln", backbone="lsvit_nano:ffn_bn=true", **changes)
    with pytest.raises(
        UserError, match=rf"{key}: {value} without a norm that has running statistics.*such as bn or cn"
    ):
        check("ln", **changes)


@pytest.mark.parametrize(("key", "value"), POLICIES)
def test_foreign_running_statistics_can_be_recalibrated_and_nothing_else(key, value):
    model = nn.Sequential(NormSite(nn.BatchNorm1d(4), "token"))
    changes = {"model": model, key.replace(".", "__"): value}
    if key == "train.recalibrate_after_exp":
        check("bn", **changes)
        del model[0].norm.momentum
    with pytest.raises(UserError, match=rf"{key}: {value} with running stat.*BatchNorm1d at 0\.norm.*RunningNorm"):
        check("bn", **changes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.stats_update", "current_only"),
        ("train.stats_update", "memory_only"),
        ("train.stats_update", "balanced"),
        ("train.recalibrate_after_exp", "buffer"),
    ],
)
def test_a_policy_about_the_memory_needs_one(key, value):
    changes = {key.replace(".", "__"): value}
    check("bn", **changes)
    with pytest.raises(UserError, match=rf"{key}: {value} with the strategy naive, which keeps no clips.*replay"):
        check("bn", has_memory=False, **changes)


def test_freezing_after_the_last_experience_would_do_nothing():
    check("bn", train__freeze_after_exp=2)
    with pytest.raises(UserError, match=r"train\.freeze_after_exp: 3 of 3 experiences.*legal: 0 \(never\) to 2"):
        check("bn", train__freeze_after_exp=3)
    with pytest.raises(UserError, match=r"train\.freeze_after_exp: 1 of 1 experiences.*legal: 0 \(never\)$"):
        check("bn", train__freeze_after_exp=1, experiences=1)


@pytest.mark.parametrize("norm", ["bn_task", "adab2n"])
def test_more_experiences_than_a_norm_is_built_for_are_refused_at_the_start(norm):
    stats = {"eval__stats": "task"} if norm == "bn_task" else {}
    check(f"{norm}:tasks=3", **stats)
    with pytest.raises(UserError, match=rf"norm {norm}:tasks=2: tasks=2, fewer than the 3.*legal: tasks=3 or more"):
        check(f"{norm}:tasks=2", **stats)
    check(f"{norm}:tasks=1", experiences=1, **stats)


@pytest.mark.parametrize("update", ["memory_only", "none"])
def test_an_oracle_must_get_statistics_of_each_experience(update):
    changes = {"eval__stats": "task", "train__stats_update": update}
    with pytest.raises(UserError, match=rf"train\.stats_update: {update} with the norm bn_task, which gets no stat"):
        check("bn_task", model__calibrate=True, **changes)  # which estimates those of the first experience alone
    check("bn_task", train__recalibrate_after_exp="buffer", **changes)
    check("bn_task", model__calibrate=True, experiences=1, **changes)


def test_an_oracle_cannot_be_frozen_before_an_experience_that_it_has_no_statistics_of():
    changes = {"eval__stats": "task", "train__freeze_after_exp": 2}
    for recalibrated in ("none", "buffer"):
        with pytest.raises(UserError, match=r"train\.freeze_after_exp: 2 with the norm bn_task.*legal: 0 \(never\)"):
            check("bn_task", train__recalibrate_after_exp=recalibrated, **changes)


@pytest.mark.parametrize(("norm", "kind"), [("brn", "BatchRenorm"), ("adab2n", "AdaptiveBalancedBatchNorm")])
@pytest.mark.parametrize("changes", [{"train__recalibrate_after_exp": "current"}, {"eval__stats": "batch"}])
def test_a_norm_that_trains_by_running_statistics_needs_some_from_the_start(norm, kind, changes):
    check("bn", train__stats_update="none", **changes)
    with pytest.raises(UserError, match=rf"train\.stats_update: none with {kind}.*add --set model\.calibrate=true"):
        check(norm, train__stats_update="none", **changes)
    check(norm, train__stats_update="none", model__calibrate=True, **changes)


def test_an_oracle_is_evaluated_as_one_and_nothing_else_is():
    model = nn.Sequential(build_norm("bn", 4))
    with pytest.raises(UserError, match=r"eval\.stats: task with the norm bn, which has no statistics for each"):
        check("bn", model=model, eval__stats="task")
    model[0].oracle = True
    check("bn", model=model, eval__stats="task")
    for stats in ("running", "batch"):
        with pytest.raises(UserError, match=rf"eval\.stats: {stats} with the norm bn, an oracle.*legal: task"):
            check("bn", model=model, eval__stats=stats)
    with pytest.raises(UserError, match=r"eval\.unseen: true with the norm bn, which has no statistics of experiences"):
        check("bn", model=model, eval__stats="task", eval__unseen=True)
    with pytest.raises(UserError, match=r"train\.recalibrate_after_exp: current with the norm bn.*lose.*buffer"):
        check("bn", model=model, eval__stats="task", train__recalibrate_after_exp="current")
    check("bn", model=model, eval__stats="task", train__recalibrate_after_exp="buffer")


@pytest.mark.parametrize(
    "estimate", [{"model__calibrate": True}, {"train__recalibrate_after_exp": "current"}, {"eval__stats": "batch"}]
)
def test_statistics_that_are_never_estimated_are_no_evaluation(estimate):
    with pytest.raises(UserError, match=r"train\.stats_update: none, with an evaluation.*model\.calibrate=true"):
        check("bn", train__stats_update="none")
    check("bn", train__stats_update="none", **estimate)


@pytest.mark.parametrize(("key", "value"), POLICIES)
def test_frozen_batch_normalization_has_a_policy_of_its_own(key, value):
    changes = {key.replace(".", "__"): value}
    if key == "eval.stats":
        check("bn_frozen", **changes)
        return
    with pytest.raises(UserError, match=rf"{key}: {value} with a norm whose statistics stay by themselves"):
        check("bn_frozen", **changes)


FOLLOWING = [
    name
    for name in NORMS.names()
    if isinstance(build_norm(name, 6), RunningNorm) and not isinstance(build_norm(name, 6), FrozenBatchNorm)
]


def pass_batch(norm, *, weights=None, track=True):
    """One pass in training of two samples a clip, in the third of four experiences."""
    provide_context(norm, StepContext(TASKS, 2, 0.3, statistics=weights, track=track))
    return norm(draw(12, 7, 6) + torch.arange(12.0).view(-1, 1, 1))


@pytest.mark.parametrize("name", FOLLOWING)
def test_each_norm_with_running_statistics_follows_each_policy(name):
    outputs, states = [], []
    for policy in ("all", "current_only", "memory_only", "none"):
        norm = build_norm(name, 6)
        weights, track = weigh_clips(policy, TASKS, experience=2, has_memory=True)
        outputs.append(pass_batch(norm, weights=weights, track=track))
        states.append(norm.running_mean.clone())
    assert all(torch.allclose(output, outputs[0], atol=1e-5) for output in outputs), "all clips normalize"
    assert not any(torch.allclose(a, b, atol=1e-3) for a, b in combinations(states, 2))
    assert not states[3].any()
    pass_batch(norm)
    freeze_norms(norm)
    before = [getattr(norm, key).clone() for key in ("running_mean", "running_var", "num_batches_tracked")]
    pass_batch(norm).square().sum().backward()
    after = [getattr(norm, key) for key in ("running_mean", "running_var", "num_batches_tracked")]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert norm.bias.grad.abs().min() > 0


@pytest.mark.parametrize("name", [name for name in FOLLOWING if not getattr(build_norm(name, 6), "oracle", False)])
def test_each_norm_with_running_statistics_evaluates_by_the_batch(name):
    norm = build_norm(name, 6)
    pass_batch(norm)
    provide_context(norm, None)
    x = draw(12, 7, 6) + 5
    norm.eval()
    with transductive_norms(norm):
        first = norm(x)
        norm.running_mean += 1
        assert torch.equal(norm(x), first)
    assert not torch.allclose(norm(x), first, atol=1e-2)
