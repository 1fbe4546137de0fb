"""Calibration: running statistics as the plain average over batches."""

import pytest
import torch
from torch import nn

from clnorm import create_model, swap_norms
from clnorm.errors import ClnormError, UserError
from clnorm.norms import StepContext, build_norm
from clnorm.norms.calibrate import calibrate_norms
from clnorm.seeding import torch_generator


def clips(batch=4, seed=0, size=16, frames=4):
    return torch.rand(batch, frames, 3, size, size, generator=torch_generator(seed, "test clips")) * 2 - 1


def rows(count, seed):
    return torch.randn(count, 6, generator=torch_generator(seed, "rows")) * (1 + seed) + seed


def nano(norm="bn", **options):
    return create_model("lsvit_nano:dropout=0.5", norm=norm, num_classes=3, image_size=16, num_frames=4, **options)


@pytest.mark.parametrize("kind", ["torch", "torch without momentum", "ours"])
def test_statistics_are_the_mean_of_the_batches_moments(kind):
    model = nn.Sequential(nn.Sequential(nn.BatchNorm1d(6)), nn.Linear(6, 2))
    if kind == "ours":
        swap_norms(model, "bn")
    norm = model[0][0].norm if kind == "ours" else model[0][0]
    norm.momentum = None if "without" in kind else 0.3
    norm.running_mean += 5
    norm.num_batches_tracked += 7
    batches = [rows(8, 0), rows(8, 1), rows(5, 2)]
    report = calibrate_norms(model, iter(batches))
    means = torch.stack([batch.mean(0) for batch in batches])
    variances = torch.stack([batch.var(0, correction=1) for batch in batches])
    torch.testing.assert_close(norm.running_mean, means.mean(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(norm.running_var, variances.mean(0), atol=1e-5, rtol=1e-5)
    assert (report.sites, report.clips) == (1, 21)
    assert norm.num_batches_tracked == 3
    assert norm.momentum == (None if "without" in kind else 0.3)


@pytest.mark.parametrize("norm", ["bn", "cn"])
def test_evaluation_then_equals_training_on_the_same_batch(norm):
    model = nano(f"{norm}:momentum=0.5").eval()
    batch = clips(16)
    before = model.forward_features(batch)
    report = calibrate_norms(model, [batch])
    assert (report.sites, report.clips) == (13, 16)
    after = model.forward_features(batch)
    # The batch's own statistics, without the dropout of training.
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
        if hasattr(module, "rate"):
            module.rate = 0.0
    target = model.forward_features(batch)
    assert (after - target).abs().mean() < 0.02 * target.abs().mean()
    assert (before - target).abs().mean() > 0.2 * target.abs().mean()


def test_nothing_else_changes_and_dropout_is_off():
    model, batches = nano(), [clips(seed=seed) for seed in (0, 1)]
    model.blocks[1].eval()
    modes = {name: module.training for name, module in model.named_modules()}
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    calibrate_norms(model, batches)
    assert {name: module.training for name, module in model.named_modules()} == modes
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    changed = {name.rpartition(".")[2] for name in state if not torch.equal(first[name], state[name])}
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}
    assert all(parameter.grad is None for parameter in model.parameters())
    assert {module.momentum for module in model.modules() if hasattr(module, "momentum")} == {0.1}
    # Again, it gives the same: what stood there before does not count, and no dropout is drawn.
    torch.rand(1)
    calibrate_norms(model, batches)
    assert all(torch.equal(first[name], tensor) for name, tensor in model.state_dict().items())


def test_a_norm_that_passes_twice_in_a_batch_counts_each_time():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(6, affine=False)

        def forward(self, x):
            return self.norm(x) + self.norm(x * 2 + 1)

    model = Twice()
    batches = [rows(8, 0), rows(8, 1)]
    calibrate_norms(model, batches)
    means = torch.stack([mean for batch in batches for mean in (batch.mean(0), (batch * 2 + 1).mean(0))])
    torch.testing.assert_close(model.norm.running_mean, means.mean(0), atol=1e-5, rtol=1e-5)


def test_the_statistics_of_a_plugin_are_found_within_its_site():
    class Wrapped(nn.Module):
        """A norm that takes the batch's statistics only where it is in training mode itself."""

        def __init__(self):
            super().__init__()
            self.num_channels, self.inner = 6, nn.BatchNorm1d(6)

        def forward(self, x):
            assert self.training
            return self.inner(x.transpose(1, 2)).transpose(1, 2)

    from clnorm.norms.sites.adapter import NormSite

    model = NormSite(Wrapped(), "frame").eval()
    report = calibrate_norms(model, [rows(8, 1)])
    assert report.sites == 1
    torch.testing.assert_close(model.norm.inner.running_mean, rows(8, 1).mean(0))
    assert not any(module.training for module in model.modules())


def test_modes_and_momenta_are_restored_after_an_error():
    model = nano()
    with pytest.raises(ValueError, match="clips have shape"):
        calibrate_norms(model, [clips(), clips(frames=3)])
    assert all(module.training for module in model.modules())
    assert {module.momentum for module in model.modules() if hasattr(module, "momentum")} == {0.1}
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("norm", ["ln", "gn"])
def test_norms_without_statistics_are_refused(norm):
    with pytest.raises(UserError, match=r"model\.calibrate: no norm of the model has running statistics.*ln and gn"):
        calibrate_norms(nano(norm), [clips()])


def test_no_batches_and_norms_out_of_reach_are_refused():
    with pytest.raises(UserError, match="no clip to calibrate on"):
        calibrate_norms(nano(), [])
    model = nn.Linear(6, 2)
    model.spare = nn.BatchNorm1d(6)
    with pytest.raises(ClnormError, match="cannot be calibrated: spare"):
        calibrate_norms(model, [rows(8, 0)])


@pytest.mark.parametrize("source", ["base", "pretrained"])
def test_frozen_norms_collect_and_are_frozen_again(source):
    norm = build_norm(f"bn_frozen:source={source}", 6)
    batches = [rows(8, 0)[:, None], rows(5, 1)[:, None]]
    calibrate_norms(norm, batches)
    torch.testing.assert_close(norm.running_mean, torch.stack([batch.mean((0, 1)) for batch in batches]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([batch[:, 0].var(0) for batch in batches]).mean(0))
    assert norm.frozen
    assert norm.num_batches_tracked == 2


def test_a_norm_that_was_frozen_by_a_policy_is_frozen_again():
    norm = build_norm("bn", 6)
    norm.frozen = True
    calibrate_norms(norm, [rows(8, 1)[:, None]])
    torch.testing.assert_close(norm.running_mean, rows(8, 1).mean(0))
    assert norm.frozen


def test_a_pretrained_frozen_model_trains_once_it_is_calibrated():
    model, batch = nano("bn_frozen:source=pretrained"), clips()
    with pytest.raises(ClnormError, match=r"never estimated.*model\.calibrate=true"):
        model(batch)
    calibrate_norms(model, [batch])
    before = {name: tensor.clone() for name, tensor in model.named_buffers()}
    model(batch).sum().backward()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.named_buffers())


def test_norms_that_need_a_context_are_told_that_of_the_first_step():
    for spec in ("brn", "bn_task:tasks=2", "bn_cma:reset=true"):
        model = nano(spec)
        assert calibrate_norms(model, [clips(), clips(seed=1)]).clips == 8
        norms = [module for module in model.modules() if hasattr(module, "running_mean")]
        assert all(norm.context is None for norm in norms)
    assert norms[0].last_experience == -1


def test_norms_know_that_they_are_calibrated_and_only_then():
    model, seen = nano(), []
    norms = [module for module in model.modules() if hasattr(module, "running_mean")]
    norms[0].register_forward_pre_hook(lambda norm, _: seen.append((norm.calibrating, norm.momentum)))
    calibrate_norms(model, [clips(), clips(seed=1)])
    assert seen == [(True, None)] * 2
    with pytest.raises(ValueError, match="clips have shape"):
        calibrate_norms(model, [clips(frames=3)])
    assert not any(norm.calibrating for norm in norms)


def test_contexts_are_passed_on():
    norm = build_norm("bn_task:tasks=2", 6)
    batches = [rows(8, 0)[:, None], rows(8, 1)[:, None], rows(8, 2)[:, None]]
    tasks = [torch.zeros(8), torch.tensor([0, 1] * 4), torch.ones(8)]
    contexts = [StepContext(of_clips.long(), experience=1, progress=1.0) for of_clips in tasks]
    calibrate_norms(norm, batches, contexts=contexts)
    zero = [batches[0].mean((0, 1)), batches[1][::2].mean((0, 1))]
    one = [batches[1][1::2].mean((0, 1)), batches[2].mean((0, 1))]
    torch.testing.assert_close(norm.running_mean, torch.stack([torch.stack(of).mean(0) for of in (zero, one)]))
