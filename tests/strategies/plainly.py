"""Methods as their papers write them: plain loops over clips and parameters, every past experience kept.

Nothing here is shared with clnorm but the optimizer and its schedule. A method is a loss of classes, an
`extra` one, and what it does around a step and after an experience.
"""

import copy
from itertools import pairwise

import torch
import torch.nn.functional as F
from avalanche.core import SupervisedPlugin

from clnorm.training.optim import create_optimizer, create_schedule

THREE = {
    "backbone": "vit_nano:drop_path=0",
    "norm": "ln",
    "dataset": "synthetic:classes=6,train=4,test=2",
    "protocol": "even:experiences=3",
    "train__batch_size": 3,  # eight clips of an experience: the last batch is a smaller one
    "train__epochs": 2,
}


class Method:
    """What a method changes of fine-tuning; the largest extra loss that there was is kept in `most`."""

    most = 0.0

    def begin(self, model, index): ...
    def classify(self, logits, targets):
        return F.cross_entropy(logits, targets)

    def extra(self, model, clips, index): ...
    def stepped(self, model, gradients, before): ...
    def end(self, model, clips, targets, seen): ...


class _Recorder(SupervisedPlugin):
    def __init__(self):
        super().__init__()
        self.batches = []

    def before_training_exp(self, strategy, **kwargs):
        self.batches.append([])

    def before_training_iteration(self, strategy, **kwargs):
        batch = strategy.batch
        self.batches[-1].append((batch.clips, batch.targets, batch.partners, batch.own_share))


def train_both(setup, method, *, scaled=False):
    """The strategy of a setup after all experiences, and a model that `method` has trained plainly on the same batches.

    Args:
        setup: whose weights both begin with.
        method: a `Method`.
        scaled: whether the strategy scales its loss, as in fp16.
    """
    torch.nn.init.normal_(setup.model.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    model, recorder = copy.deepcopy(setup.model), _Recorder()
    strategy = setup.config.strategy.build(setup)
    strategy.plugins.append(recorder)
    if scaled:
        scale(strategy)
    for index, experience in enumerate(setup.stream.experiences):
        strategy.train_experience(index)
        seen = setup.stream.seen_after(index)
        _train_experience(model, recorder.batches[index], method, setup.config.train, index=index, seen=seen)
        (read,) = strategy.inputs.read([experience.train_ids])
        model.eval()
        method.end(model, read[1], torch.as_tensor(setup.stream.targets)[experience.train_ids], seen)
        model.train()
    return strategy, model


def scale(strategy):
    """Have a strategy scale its loss by a factor that changes, as fp16 does."""
    prepare = strategy.check_model_and_optimizer

    def scaled(**kwargs):
        prepare(**kwargs)
        strategy.scaler = torch.amp.GradScaler("cpu", init_scale=512.0, growth_interval=1)

    strategy.check_model_and_optimizer = scaled


def _train_experience(model, batches, method, recipe, *, index, seen):
    optimizer = create_optimizer(model, recipe)
    schedule = create_schedule(optimizer, recipe, steps=len(batches))
    method.begin(model, index)
    for clips, targets, partners, share in batches:
        logits = model(clips)[:, :seen]
        loss = share * method.classify(logits, targets) + (1 - share) * method.classify(logits, partners)
        named = dict(model.named_parameters())
        gradients = dict(zip(named, torch.autograd.grad(loss, list(named.values()), retain_graph=True), strict=True))
        before = {name: parameter.detach().clone() for name, parameter in named.items()}
        extra = method.extra(model, clips, index)
        method.most = max(method.most, torch.as_tensor(extra).item())
        optimizer.zero_grad()
        (loss + extra).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip)
        optimizer.step()
        schedule.step()
        method.stepped(model, gradients, before)


def distance(model, other):
    """How far the parameters of two models are apart, over how far the first one's are from zero.

    Biases of queries, keys and values are left out: the softmax does not depend on the keys', whose gradient is
    rounding alone, of which Adam makes steps.
    """
    named = zip(model.named_parameters(), other.parameters(), strict=True)
    pairs = [(a, b) for (name, a), b in named if not name.endswith("qkv.bias")]
    apart = sum((a - b).square().sum() for a, b in pairs)
    return (apart / sum(a.square().sum() for a, _ in pairs)).sqrt().item()


def held_bytes(state):
    """The bytes of all tensors in a state."""
    if isinstance(state, torch.Tensor):
        return state.numel() * state.element_size()
    if isinstance(state, dict):
        return sum(map(held_bytes, state.values()))
    return 0


def is_constant(numbers):
    """Whether all numbers are the same."""
    return all(a == b for a, b in pairwise(numbers))
