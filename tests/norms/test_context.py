"""What norms ask of a training loop and leave for it: checked when they are built, and when it is taken."""

import pytest
import torch
from torch import nn

from clnorm.errors import ClnormError, UserError
from clnorm.norms import Norm, StepContext, build_norm, provide_context, take_auxiliary_loss
from clnorm.norms.context import in_evaluation

MODULE = """
import torch
from clnorm.norms import Norm


class Asking(Norm):
    needs = ("tasks", "experience", "progress")

    def normalize(self, x):
        return x


class Listing(Asking):
    needs = ["progress"]


class Misspelt(Asking):
    needs = ("tasks", "experiense")


class Tracking(Asking):
    needs = ("weighed",)


class Word(Asking):
    needs = "tasks"


class Deaf(torch.nn.Module):
    needs = ("tasks", "progress")

    def __init__(self, num_channels):
        super().__init__()

    def forward(self, x):
        return x


class Around(Deaf):
    def __init__(self, num_channels):
        super().__init__(num_channels)
        self.inner = Asking(num_channels)
"""


@pytest.fixture
def asking(tmp_path, monkeypatch):
    (tmp_path / "asking_norms.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return "asking_norms"


@pytest.mark.parametrize("name", ["Asking", "Listing", "Around"])
def test_a_norm_is_given_what_it_needs(asking, name):
    norm = build_norm(f"{asking}:{name}", 4)
    context = StepContext(torch.zeros(2, dtype=torch.long), experience=0, progress=0.5)
    provide_context(norm, context)
    assert getattr(norm, "inner", norm).require_context() is context


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "Misspelt",
            r"Misspelt needs 'experiense'.*did you mean 'experience'\?; legal: experience, has_memory, progress, tasks",
        ),
        ("Tracking", r"Tracking needs 'weighed', which no StepContext tells"),
        ("Word", r"Word\.needs is a str; legal: a tuple"),
        ("Deaf", r"Deaf needs tasks, progress and has no method receive_context.*clnorm\.norms\.Norm"),
    ],
)
def test_needs_that_would_never_be_met_are_refused(asking, name, words):
    with pytest.raises(UserError, match=rf"norm '{asking}:{name}': {words}"):
        build_norm(f"{asking}:{name}", 4)


@pytest.mark.parametrize("name", ["statistics", "track"])
def test_what_a_context_told_before_is_refused_with_what_to_write_instead(name):
    tasks = torch.zeros(2, dtype=torch.long)
    with pytest.raises(UserError, match=rf"StepContext has no '{name}'.*bn:update=balanced"):
        StepContext(tasks, 0, 0.0, **{name: None})
    with pytest.raises(UserError, match=rf"StepContext has no '{name}'.*self\.tracked_weights"):
        getattr(StepContext(tasks, 0, 0.0), name)


class Leaving(Norm):
    auxiliary_loss: object = None

    def normalize(self, x):
        return x


@pytest.mark.parametrize(
    ("left", "kind"), [(0.5, "float"), (torch.ones(1), r"tensor of shape \(1,\)"), (lambda: 0, "function")]
)
def test_an_auxiliary_loss_that_is_no_scalar_tensor_is_an_error(left, kind):
    norm = Leaving(4)
    norm.auxiliary_loss = left
    with pytest.raises(ClnormError, match=rf"Leaving\.auxiliary_loss is a {kind}; legal: None or a scalar"):
        take_auxiliary_loss(nn.Sequential(Leaving(4), norm))


def test_auxiliary_losses_are_summed_and_taken_once():
    norms = nn.Sequential(Leaving(4), Leaving(4), Leaving(4))
    norms[0].auxiliary_loss, norms[2].auxiliary_loss = torch.tensor(0.5), torch.tensor(2.0)
    assert take_auxiliary_loss(norms) == 2.5
    assert take_auxiliary_loss(norms) is None


def test_in_evaluation_ends_in_the_modes_found_and_without_a_context():
    model = nn.Sequential(nn.Dropout(), nn.Linear(2, 2), build_norm("prepbn", 2))
    model[1].eval()
    told = StepContext(tasks=torch.zeros(1, dtype=torch.int64), experience=0, progress=0.5)

    def fail_inside():
        with in_evaluation(model):
            assert not any(module.training for module in model.modules())
            provide_context(model, told)
            raise ClnormError("stopped")

    with pytest.raises(ClnormError, match="stopped"):
        fail_inside()
    assert [module.training for module in model] == [True, False, True]
    assert model[2].context is None
