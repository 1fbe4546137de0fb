"""The optimizer and its schedule, both fresh in each experience."""

import math

import torch
from torch import nn

from clnorm.config.sections import TrainConfig
from clnorm.errors import UserError
from clnorm.models.blocks import EMBEDDINGS, MOTION, list_parts, read_blocks


def create_optimizer(model: nn.Module, recipe: TrainConfig) -> torch.optim.AdamW:
    """AdamW on all trainable parameters; weight decay on matrices and embeddings, not on norms, biases and scalars.

    The learning rate is `recipe.lr` times a factor of where the parameter stands, with L blocks:

    | parameters                       | factor                             |
    |----------------------------------|------------------------------------|
    | `smif`, `lmi`, `time_embed`      | motion_scale, in whatever block    |
    | patches, class token, positions  | layer_decay^(L + 1)                |
    | block i = 0 .. L - 1             | layer_decay^(L - i)                |
    | final norm                       | 1                                  |
    | `head`                           | head_scale                         |

    Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018 (discriminative
    fine-tuning); Bao et al., "BEiT: BERT Pre-Training of Image Transformers", ICLR 2022 (layer-wise decay).

    Raises:
        UserError: layer decay for a model without `blocks`, or a factor of the head for one without `head`.
    """
    factors = _rate_factors(model, recipe)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    for name, parameter in sorted(trained, key=lambda item: item[1].ndim < 2):
        decay = recipe.weight_decay if parameter.ndim >= 2 else 0.0
        groups.setdefault((factors[name], decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": recipe.lr * factor, "weight_decay": decay}
            for (factor, decay), parameters in groups.items()
        ],
        lr=recipe.lr,
        fused=True,
    )


def create_schedule(
    optimizer: torch.optim.Optimizer, recipe: TrainConfig, *, steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Linear warm-up, then a half cosine to zero, over the steps of one experience; of every group's own rate."""
    warmup = recipe.warmup * steps

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _rate_factors(model: nn.Module, recipe: TrainConfig) -> dict[str, float]:
    """The factor of each parameter, by name."""
    decay = recipe.layer_decay
    blocks = read_blocks(model, option="train.layer_decay") if decay != 1 else ()
    above = {id(p): len(blocks) - index for index, block in enumerate(blocks) for p in block.parameters()}
    head = {id(parameter) for parameter in _head_parameters(model, recipe)}

    def factor(name: str, parameter: nn.Parameter) -> float:
        parts = list_parts(name)
        if parts & MOTION:
            return recipe.motion_scale
        if id(parameter) in head:
            return recipe.head_scale
        if parts & EMBEDDINGS:
            return decay ** (len(blocks) + 1)
        return decay ** above.get(id(parameter), 0)

    return {name: factor(name, parameter) for name, parameter in model.named_parameters()}


def _head_parameters(model: nn.Module, recipe: TrainConfig) -> list[nn.Parameter]:
    head = getattr(model, "head", None)
    if isinstance(head, nn.Module):
        return list(head.parameters())
    if recipe.head_scale != 1:
        raise UserError(
            f"the backbone {type(model).__name__} has no module `head`",
            where="train.head_scale",
            hint="leave it at 1, or name the last layer so",
        )
    return []
