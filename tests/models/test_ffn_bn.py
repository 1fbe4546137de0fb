"""The option `ffn_bn`: a Batch Normalization in each MLP that is no norm site, through all that is done to a model."""

import copy

import pytest
import timm
import torch
import torch.nn.functional as F

import clnorm
from clnorm import create_model
from clnorm.config.sections import TrainConfig
from clnorm.deploy.saved import ModelInfo, read_model, save_model
from clnorm.deploy.simplify import largest_difference, simplify_norms
from clnorm.execution.checkpointing import checkpoint_blocks
from clnorm.models.create import create_model_with_report
from clnorm.models.vit import FFNBN, MLP
from clnorm.models.weights import Weights
from clnorm.norms import Statistics, StepContext, provide_context, swap_norms
from clnorm.norms.calibrate import calibrate_norms
from clnorm.norms.running import give_statistics, statistics_of
from clnorm.training.averaging import WeightAverage
from clnorm.training.optim import create_optimizer

BACKBONE = "lsvit_nano:drop_path=0,ffn_bn=true"
SIZES = {"num_classes": 3, "image_size": 16, "num_frames": 4}


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def create(norm="ln", backbone=BACKBONE):
    """A model whose every parameter is off its start."""
    model = create_model(backbone, norm=norm, **SIZES)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return model


def train_forward(model, seeds=(0, 1, 2)):
    with torch.no_grad():
        for seed in seeds:
            model.train()(draw(4, 4, 3, 16, 16, seed=seed))
    return model


def hidden_norms(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, FFNBN)}


def test_it_stands_between_the_first_linear_layer_and_the_gelu():
    mlp = MLP(6, dropout=0.0, ffn_bn=True)
    with torch.no_grad():
        for seed, parameter in enumerate(mlp.parameters()):
            parameter.copy_(draw(*parameter.shape, seed=seed))
    tokens = draw(2, 3, 5, 6) * 4
    hidden = mlp.fc1(tokens).flatten(0, 2)
    mean, var = torch.zeros(24), torch.ones(24)
    for training in (True, False):
        normed = F.batch_norm(hidden, mean, var, mlp.bn.weight, mlp.bn.bias, training, 0.1, 1e-5)
        expected = mlp.fc2(F.gelu(normed)).view(tokens.shape)
        torch.testing.assert_close(mlp.train(training)(tokens), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(mlp.bn.running_mean, mean)
        torch.testing.assert_close(mlp.bn.running_var, var)
    assert mean.abs().max() > 0


@pytest.mark.parametrize("variant", ["vit", "lsvit", "lsvit_signed"])
def test_it_is_off_by_default_and_adds_its_own_tensors_alone(variant):
    off = create_model(f"{variant}_nano", **SIZES).state_dict()
    on = create_model(f"{variant}_nano:ffn_bn=true", **SIZES).state_dict()
    parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert set(on) - set(off) == {f"blocks.{index}.mlp.bn.{part}" for index in range(4) for part in parts}
    assert all(torch.equal(on[name], value) for name, value in off.items())
    assert on["blocks.0.mlp.bn.running_var"].shape == (4 * 96,)


@pytest.mark.parametrize("norm", ["ln", "bn", "gn", "cn"])
def test_a_swap_leaves_it_what_it_is(norm):
    model = create()
    for _ in range(2):
        before = hidden_norms(model)
        report = swap_norms(model, norm)
        assert report.found == report.replaced == model.expected_norm_sites == 13
        assert not any("mlp.bn" in site.name for site in report.sites)
        assert hidden_norms(model) == before
        assert len(before) == 4


def test_pretrained_weights_leave_it_at_its_start_and_say_so():
    source = timm.models.vision_transformer.VisionTransformer(
        img_size=16, patch_size=8, embed_dim=96, depth=4, num_heads=3, num_classes=7
    )
    half = (0.5, 0.5, 0.5)
    model, _, report = create_model_with_report(
        BACKBONE, norm="ln", **SIZES, seed=0, weights=Weights(source.state_dict(), half, half, True, "test")
    )
    fresh = {name for name in report.kept if "mlp" in name and "lmi" not in name}
    assert fresh == {name for name in model.state_dict() if ".mlp.bn." in name}
    assert len(fresh) == 4 * 5
    assert torch.equal(model.blocks[3].mlp.fc1.weight, source.blocks[3].mlp.fc1.weight)
    assert all(bool((norm.weight == 1).all()) for norm in hidden_norms(model).values())


@torch.no_grad()
@pytest.mark.parametrize(("norm", "count"), [("ln", 4), ("bn", 17)])
def test_calibration_estimates_its_statistics(norm, count):
    model, batches = create(norm), [draw(4, 4, 3, 16, 16, seed=seed) for seed in (0, 1)]
    seen = []
    model.blocks[0].mlp.fc1.register_forward_hook(lambda module, given, out: seen.append(out.flatten(0, 2)))
    report = calibrate_norms(model.eval(), batches)
    assert (report.sites, report.clips) == (count, 8)
    mean = torch.stack([hidden.mean(0) for hidden in seen]).mean(0)
    torch.testing.assert_close(model.blocks[0].mlp.bn.running_mean, mean, atol=1e-5, rtol=1e-5)
    assert not model.blocks[0].mlp.bn.training


@pytest.mark.slow
def test_a_checkpointed_block_updates_it_once():
    plain = create("bn").train()
    checkpointed = copy.deepcopy(plain)
    checkpoint_blocks(checkpointed)
    for model in (plain, checkpointed):
        for seed in (0, 1):
            model(draw(2, 4, 3, 16, 16, seed=seed)).square().sum().backward()
    for name, norm in hidden_norms(checkpointed).items():
        other = plain.get_submodule(name)
        assert norm.num_batches_tracked == 2
        assert torch.equal(norm.running_var, other.running_var)
        assert torch.equal(norm.weight.grad, other.weight.grad)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["ln", "bn", "cn"])
def test_an_exported_model_keeps_it_and_its_logits(norm, tmp_path):
    model = train_forward(create(norm)).double().eval()
    simple = simplify_norms(model)
    difference, largest = largest_difference(model, simple.model, draw(2, 4, 3, 16, 16, seed=9).double())
    assert largest > 0.1
    assert difference <= 1e-11 * largest
    assert len(hidden_norms(simple.model)) == 4


@torch.no_grad()
def test_a_kept_model_comes_back_with_it(tmp_path):
    model = train_forward(create("cn"))
    info = ModelInfo(
        backbone=BACKBONE, norm="cn", classes=("a", "b", "c"), image_size=16, num_frames=4, precision="fp32"
    )
    save_model(tmp_path / "m", model, info)
    loaded = read_model(tmp_path / "m").model
    clips = draw(2, 4, 3, 16, 16, seed=9)
    assert torch.equal(loaded(clips), model.eval()(clips))
    assert loaded.blocks[1].mlp.bn.running_mean.abs().max() > 0


def test_the_average_of_the_weights_has_its_statistics_too():
    model = create("ln")
    average = WeightAverage(model, decay=0.9)
    before = []
    for seed in (0, 1):
        train_forward(model, [seed])
        average.update_parameters(model)
        before.append(model.blocks[0].mlp.bn.running_mean.clone())
    averaged = average.module.blocks[0].mlp.bn
    torch.testing.assert_close(averaged.running_mean, before[0].lerp(before[1], 1 - 1 / 5))
    assert averaged.num_batches_tracked == 2


def test_it_trains_at_the_rate_of_its_block_and_without_weight_decay():
    model = create("ln")
    recipe = TrainConfig(lr=1.0, layer_decay=0.5, weight_decay=0.1)
    groups = create_optimizer(model, recipe).param_groups
    for index in range(4):
        for parameter in model.blocks[index].mlp.bn.parameters():
            (group,) = [group for group in groups if any(parameter is other for other in group["params"])]
            assert (group["lr"], group["weight_decay"]) == (0.5 ** (4 - index), 0.0)


def test_its_statistics_do_what_those_of_the_norm_do():
    model = create("cn:update=balanced,freeze_after=2")
    asked = Statistics(update="balanced", freeze_after=2)
    for norm, expected in (("bn_frozen:eval=batch", Statistics(eval="batch")), ("ln", Statistics())):
        assert {hidden.statistics for hidden in hidden_norms(model).values()} == {statistics_of(model)} == {asked}
        swap_norms(model, norm)
        asked = expected
    assert {hidden.statistics for hidden in hidden_norms(model).values()} == {Statistics()}


@torch.no_grad()
def test_it_tracks_the_clips_that_count():
    both, one = create("ln"), create("ln")
    clips, told = draw(2, 4, 3, 16, 16), StepContext(torch.tensor([0, 1]), 1, 0.0)
    give_statistics(both, Statistics(update="current_only"))
    provide_context(both, told)
    both.train()(clips)
    one.train()(clips[1:])
    # In the first block alone: behind it, the activations have been normalized by both clips.
    for name in ("running_mean", "running_var"):
        expected = getattr(one.blocks[0].mlp.bn, name)
        torch.testing.assert_close(getattr(both.blocks[0].mlp.bn, name), expected, atol=1e-5, rtol=1e-5)
    still = {name: value.clone() for name, value in both.state_dict().items()}
    give_statistics(both, Statistics(update="none"))
    provide_context(both, told)
    both(clips)
    assert all(torch.equal(value, still[name]) for name, value in both.state_dict().items())


@pytest.mark.slow
def test_a_run_with_it_is_recorded_as_such(tiny):
    record = clnorm.run(tiny(norm="bn", backbone="lsvit_nano:ffn_bn=true", train__epochs=1, model__calibrate=True))
    assert record.names["backbone"] == "lsvit_nano:ffn_bn=true"
    assert record.calibration["sites"] == record.swap["replaced"] + 4
