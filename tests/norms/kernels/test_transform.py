"""The fused transform and its passes, against autograd in float64."""

import pytest
import torch

from clnorm.errors import ClnormError
from clnorm.norms import build_norm
from clnorm.norms.kernels import native
from clnorm.norms.kernels.moments import batch_stage, group_stage
from clnorm.norms.kernels.passes import TorchPasses, passes_for, use_passes
from clnorm.norms.kernels.transform import transform

S, L, C = 6, 5, 8


@pytest.fixture(params=["torch", pytest.param("native", marks=pytest.mark.slow)])  # which is compiled first
def kernels(request):
    """Both implementations of the passes, one after the other."""
    with use_passes(request.param):
        yield request.param


def draw(*shape, seed=0, mean=0.0, dtype=torch.float32):
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + mean).to(dtype)


def stretch(mean, var, weight):
    """Coefficients without a name of their own, that use each argument, and an extra output."""
    spread = (var + mean.square().mean(0)).sqrt()
    return weight / spread, mean * weight, spread.sum(0)


def plainly(x, coefficients, *tensors):
    """The definition, by autograd, with nothing saved or fused."""
    mean, var = x.mean(1), x.var(1, unbiased=False)
    scale, shift, *extras = coefficients(mean, var, *tensors)
    scale, shift = (coefficient.expand(mean.shape).unsqueeze(1) for coefficient in (scale, shift))
    return scale * (x - mean.unsqueeze(1)) + shift, *extras


def results(function, x, weight):
    """y, the extra, and the gradients by x and weight of a loss that both outputs enter."""
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y, extra = function(x, stretch, weight)
    ((y * draw(*y.shape, seed=8).to(y)).sum() + (extra * draw(C, seed=9).to(y)).sum()).backward()
    return [y.detach(), extra.detach(), x.grad, weight.grad]


def assert_close(ours, theirs, tolerance=1e-5):
    for one, other in zip(ours, theirs, strict=True):
        assert ((one.double() - other).norm() / other.norm()).item() < tolerance


@pytest.mark.parametrize("mean", [0.0, 4.0, 1e3])
def test_outputs_and_gradients_are_those_of_the_definition(kernels, mean):
    x, weight = draw(S, L, C, mean=mean), draw(C, seed=1, mean=2.0)
    assert_close(results(transform, x, weight), results(plainly, x.double(), weight.double()))


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["bn", "gn:groups=4", "cn:groups=4", "in"])
@pytest.mark.parametrize("mean", [0.0, 1e3])
def test_native_passes_change_a_norm_by_rounding_only(spec, mean):
    x, outputs = draw(S, L, C, mean=mean), {}
    for kernels in ("torch", "native"):
        norm, leaf = build_norm(spec, C), x.clone().requires_grad_()
        with use_passes(kernels):
            y = norm(leaf)
            y.backward(draw(S, L, C, seed=3))
        outputs[kernels] = [y.detach().double(), leaf.grad.double(), norm.weight.grad.double()]
    assert_close(outputs["native"], outputs["torch"])


def test_native_passes_serve_float32_alone(kernels):
    assert (passes_for(draw(2, 2, 2)) is TorchPasses) == (kernels == "torch")
    assert passes_for(draw(2, 2, 2).double()) is TorchPasses


def test_large_tensors_are_read_in_pieces_alike():
    """Pieces that do not divide the samples, and samples larger than a piece."""
    for shape in ((40, 130, 150), (2, 600, 1024)):
        x = draw(*shape, seed=2)
        mean, var = TorchPasses.read_moments(x)
        torch.testing.assert_close(mean.double(), x.double().mean(1), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(var.double(), x.double().var(1, unbiased=False), atol=1e-6, rtol=1e-5)
        total, product = TorchPasses.read_products(x, x, mean)
        torch.testing.assert_close(total / shape[1], mean, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(product / shape[1], var, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("view", [lambda x: x.transpose(0, 1), lambda x: x[:, :, ::2], lambda x: x[:1].expand(4, L, C)])
def test_inputs_and_gradients_need_not_be_contiguous(kernels, view):
    x = draw(S, L, C)
    leaf, copy = view(x).clone().requires_grad_(), view(x).contiguous().clone().requires_grad_()
    width = leaf.shape[2]
    outputs = [transform(tensor, stretch, torch.ones(width))[0] for tensor in (view(x), view(x).contiguous())]
    assert torch.equal(*outputs)
    gradient = draw(1, 1, width, seed=4).expand(leaf.shape)
    transform(leaf, stretch, torch.ones(width))[0].backward(gradient)
    transform(copy, stretch, torch.ones(width))[0].backward(gradient.contiguous())
    assert torch.equal(leaf.grad, copy.grad)


def test_only_the_input_and_small_tensors_are_kept():
    x = draw(S, 50, C).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        transform(x, stretch, draw(C, mean=2.0).requires_grad_())
    large = [tensor for tensor in kept if tensor.numel() >= x.numel()]
    assert len(large) == 1
    assert large[0].data_ptr() == x.data_ptr()


def test_a_second_derivative_is_refused():
    x = draw(S, L, C).requires_grad_()
    y, _ = transform(x, stretch, torch.ones(C))
    with pytest.raises(ClnormError, match="once"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


def test_an_input_that_wants_no_gradient_gets_none():
    weight = draw(C, mean=2.0).requires_grad_()
    transform(draw(S, L, C), stretch, weight)[0].sum().backward()
    assert weight.grad is not None


def test_gradients_in_float64_equal_finite_differences():
    x, weight = draw(3, 4, C, dtype=torch.float64), draw(C, seed=1, mean=2.0, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *given: transform(given[0], stretch, given[1]), both(x, weight))


def test_the_stages_own_gradients_equal_finite_differences():
    mean, var = draw(4, C, dtype=torch.float64), draw(4, C, seed=1, dtype=torch.float64).square() + 0.1
    affine = draw(C, seed=2, dtype=torch.float64), draw(C, seed=3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *given: group_stage(*given, groups=2, eps=1e-3), both(mean, var))
    assert torch.autograd.gradcheck(lambda *given: batch_stage(*given, eps=1e-3), both(mean, var, *affine))


def both(*tensors):
    return tuple(tensor.clone().requires_grad_() for tensor in tensors)


def test_the_error_of_a_compiler_is_one_line(monkeypatch):
    from torch.utils import cpp_extension

    def fail(*arguments, **options):
        raise RuntimeError("Error building extension\nthe reason")

    monkeypatch.setattr(cpp_extension, "load", fail)
    monkeypatch.setattr(native.torch.ops, "clnorm", object())
    with pytest.raises(ClnormError, match="the reason") as caught:
        native.load_native()
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_compiled_it_is_as_exact():
    torch.compiler.reset()
    x = draw(S, L, C, mean=1e4)
    compiled = torch.compile(lambda *given: transform(*given), fullgraph=True, backend="aot_eager")
    weight = draw(C, seed=1, mean=2.0)
    assert_close(results(compiled, x, weight), results(plainly, x.double(), weight.double()))


@pytest.mark.parametrize("wrong", [torch.zeros(0, 3, C), torch.zeros(2, 3, C, dtype=torch.int64)])
def test_what_cannot_be_normalized_is_refused(wrong):
    for spec in ("bn", "ln", "cn"):
        with pytest.raises(ClnormError, match="not empty, of floating point"):
            build_norm(spec, C)(wrong)
