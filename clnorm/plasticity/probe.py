"""One forward and one backward pass of a model, and what is measured at each of its norm sites."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from clnorm.norms.sites.find import Site, find_sites
from clnorm.plasticity.measures import (
    dormant_share,
    duplicate_share,
    effective_rank,
    effective_rate,
    gram,
    joint_norm,
    singular_values,
    stable_rank,
)

MOST_ROWS = 4096
"""Positions of a site that its features are measured on, drawn where there are more."""


@dataclass
class SiteMeasures:
    """What is measured at one norm site.

    Args:
        site: its path in the model.
        channels: C.
        layers: paths of the layers that the forward pass calls between this site and the next one: attention after one
            norm, the feed-forward network after another.
        dormant: share of the site's outputs, see `clnorm.plasticity.measures`.
        duplicate: likewise.
        effective_rank: of the outputs.
        stable_rank: of the outputs.
        weight_norm: of these layers' weights together, without biases.
        gradient_norm: of the loss by them; of weights that do not train, 0.
        effective_rate: the mean learning rate of these weights, over their norm.
        mean: (C,) of the site's inputs.
        var: (C,) of the site's inputs, biased.
        running_mean: the norm's buffer, empty where it has none.
        running_var: likewise.
    """

    site: str
    channels: int
    layers: str = ""
    dormant: float = float("nan")
    duplicate: float = float("nan")
    effective_rank: float = float("nan")
    stable_rank: float = float("nan")
    weight_norm: float = float("nan")
    gradient_norm: float = float("nan")
    effective_rate: float = float("nan")
    mean: list[float] = field(default_factory=list)
    var: list[float] = field(default_factory=list)
    running_mean: list[float] = field(default_factory=list)
    running_var: list[float] = field(default_factory=list)


def measure_sites(
    model: nn.Module,
    clips: Tensor,
    *,
    loss: Callable[[Tensor], Tensor],
    rates: Mapping[int, float],
    generator: torch.Generator,
) -> list[SiteMeasures]:
    """Measure each norm site of a model on one batch, in the order in which the forward pass reaches them.

    Nothing of the model changes: neither weights, gradients, statistics nor modes.

    Args:
        model: in evaluation mode, uncompiled or run eagerly.
        clips: its input.
        loss: from its output to a scalar.
        rates: the learning rate of each parameter that trains, by the parameter's `id`.
        generator: draws the positions, the same ones at sites of as many.
    """
    watch = _Watch(model, generator)
    with torch.enable_grad():
        with watch.hooked():
            value = loss(model(clips))
        weights = {id(weight): weight for stage in watch.weights.values() for weight in stage.values()}
        trained = [weight for weight in weights.values() if weight.requires_grad]
        found = torch.autograd.grad(value, trained, allow_unused=True)
    gradients = {id(weight): gradient for weight, gradient in zip(trained, found, strict=True) if gradient is not None}
    for name, measures in watch.measures.items():
        _measure_weights(measures, list(watch.weights[name].values()), gradients, rates)
    return list(watch.measures.values())


class _Watch:
    """What hooks find in a forward pass.

    Attributes:
        measures: of each site, by its path.
        weights: of each site, the weights of the layers called after it, by `id`.
    """

    def __init__(self, model: nn.Module, generator: torch.Generator) -> None:
        self.measures: dict[str, SiteMeasures] = {}
        self.weights: dict[str, dict[int, nn.Parameter]] = {}
        self._model, self._generator, self._state = model, generator, generator.get_state()
        self._current = ""

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """A context in which the forward pass is watched."""
        sites = find_sites(self._model)
        inner = {id(module) for site in sites for module in site.module.modules()}
        handles = [site.module.register_forward_hook(self._of_site(site)) for site in sites]
        for path, module in self._model.named_modules():
            if id(module) not in inner and any(each.ndim >= 2 for each in module.parameters(recurse=False)):
                handles.append(module.register_forward_pre_hook(self._of_layer(path)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _of_site(self, site: Site) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        @torch.no_grad()
        def measure(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self._current = name = site.paths[0]
            if name not in self.measures:  # a shared norm is measured where it is called first
                self.measures[name] = self._measure(site, site.rows(inputs[0]), site.rows(output))
                self.weights[name] = {}

        return measure

    def _of_layer(self, path: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if self._current:  # what comes before the first site is no site's
                measures = self.measures[self._current]
                measures.layers = ", ".join(filter(None, [measures.layers, path]))
                self.weights[self._current] |= {id(each): each for each in module.parameters() if each.ndim >= 2}

        return note

    def _measure(self, site: Site, given: Tensor, features: Tensor) -> SiteMeasures:
        rows = self._draw_rows(len(features)).to(features.device)
        products = gram(features[rows])
        singular = singular_values(products)
        var, mean = torch.var_mean(given[rows].double(), dim=0, correction=0)
        norm = site.norm
        running = [_read_running(norm, name) for name in ("running_mean", "running_var")]
        return SiteMeasures(
            site=site.paths[0],
            channels=site.width,
            dormant=dormant_share(features[rows]),
            duplicate=duplicate_share(products),
            effective_rank=effective_rank(singular),
            stable_rank=stable_rank(singular),
            mean=mean.tolist(),
            var=var.tolist(),
            running_mean=running[0],
            running_var=running[1],
        )

    def _draw_rows(self, count: int) -> Tensor:
        """Which of `count` positions are measured, ascending; those of a fixed step would all be of one place."""
        if count <= MOST_ROWS:
            return torch.arange(count)
        self._generator.set_state(self._state)
        return torch.randperm(count, generator=self._generator)[:MOST_ROWS].sort().values


def _read_running(norm: nn.Module, name: str) -> list[float]:
    """A norm's running statistics; of one that has those of each task (tasks, C), the tasks that it has seen."""
    held, batches = getattr(norm, name, None), getattr(norm, "num_batches_tracked", None)
    if not isinstance(held, Tensor):
        return []
    if isinstance(batches, Tensor) and batches.ndim == 1 and held.ndim == 2:
        held = held[batches > 0]
    return [float(value) for value in held.flatten()]


def _measure_weights(
    measures: SiteMeasures,
    weights: list[nn.Parameter],
    gradients: Mapping[int, Tensor],
    rates: Mapping[int, float],
) -> None:
    if not weights:
        return
    measures.weight_norm = joint_norm(weights)
    found = [gradients[id(weight)] for weight in weights if id(weight) in gradients]
    measures.gradient_norm = joint_norm(found) if found else 0.0
    elements = sum(weight.numel() for weight in weights)
    rate = sum(rates.get(id(weight), 0.0) * weight.numel() for weight in weights) / elements
    measures.effective_rate = effective_rate(rate, measures.weight_norm)
