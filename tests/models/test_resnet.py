"""ResNet-18 on frames."""

import pytest
import torch
from avalanche.models import SlimResNet18

from clnorm import create_model
from clnorm.models import ResNet18
from clnorm.norms import NormSite
from clnorm.seeding import torch_generator

SIZES = {"image_size": 32, "num_frames": 2}


def draw(*shape: int, name: str = "x") -> torch.Tensor:
    return torch.randn(*shape, generator=torch_generator(0, name))


def published(model: ResNet18, classes: int, width: int) -> SlimResNet18:
    """Avalanche's model with the same weights, whose names differ but whose order does not."""
    twin = SlimResNet18(classes, nf=width)
    twin.load_state_dict(dict(zip(twin.state_dict(), model.state_dict().values(), strict=True)))
    return twin


@pytest.mark.parametrize("training", [True, False])
def test_each_frame_passes_avalanches_slim_resnet(training):
    model = ResNet18(5, **SIZES, width=4).train(training)
    with torch.no_grad():
        model.head.weight.copy_(draw(*model.head.weight.shape, name="head"))
    twin = published(model, 5, 4).train(training)
    clips = draw(3, 2, 3, 32, 32)
    expected = twin(clips.flatten(0, 1)).unflatten(0, (3, 2)).mean(1)
    torch.testing.assert_close(model(clips), expected)


@pytest.mark.parametrize("image_size", [8, 30, 64])
def test_images_of_any_size(image_size):
    model = ResNet18(5, image_size=image_size, num_frames=1, width=2)
    assert model(draw(2, 1, 3, image_size, image_size)).shape == (2, 5)


def test_swapped_for_batch_norm_it_computes_what_it_did():
    model = ResNet18(5, **SIZES, width=4)
    model.init_weights(torch_generator(0, "initial weights"))
    swapped = create_model("resnet18:width=4", norm="bn", num_classes=5, seed=0, **SIZES)
    assert sum(isinstance(module, NormSite) for module in swapped.modules()) == 20
    with torch.no_grad():
        for one in (model, swapped):
            one.head.weight.copy_(draw(*model.head.weight.shape, name="head"))
    clips = draw(4, 2, 3, 32, 32)
    swapped.load_state_dict(
        dict(zip(swapped.state_dict(), [value.clone() for value in model.state_dict().values()], strict=True))
    )
    for _ in range(2):
        torch.testing.assert_close(swapped(clips), model(clips), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(swapped.eval()(clips), model.eval()(clips), rtol=1e-4, atol=1e-4)


def test_the_weights_are_the_seeds_whatever_the_norm():
    first, second = (
        create_model("resnet18", norm=norm, num_classes=5, seed=3, **SIZES) for norm in ("bn", "cn:groups=4")
    )
    assert torch.equal(first.stages[7].conv2.weight, second.stages[7].conv2.weight)
    other = create_model("resnet18", norm="bn", num_classes=5, seed=4, **SIZES)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)
