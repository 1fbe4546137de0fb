"""Avalanche's training loop with a batch that passes the model in pieces."""

from typing import Any

import torch
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor, nn

from clnorm.config.sections import TrainConfig
from clnorm.errors import UserError
from clnorm.progress import Reporter
from clnorm.ranks import Part, Ranks
from clnorm.training.batch import Batch
from clnorm.training.processes import sum_over_processes


class AccumulatingTemplate(SupervisedTemplate):
    """A supervised strategy whose batches pass the model in `accumulate` pieces, their gradients added up.

    The loss of a piece, with all that plug-ins add to it, counts by the piece's share of the clips, so that the sum of
    the gradients is that of the whole batch's mean loss, and a penalty counts once. Every piece holds the same mix of
    the batch, which has the memory's clips at its end. Batch statistics are those of a piece.

    Hooks around forward and backward pass run for each piece, with the piece as `batch` and its own mean as `loss`;
    all others once a batch, and from `before_update` on with the whole batch, its outputs, detached, and its loss.

    Where several processes share the run, each piece is shared by them, and hooks around forward and backward pass see
    this process's part of it. Its loss counts by the part's share, and the processes' gradients are added up.

    Attributes:
        accumulate: pieces of a batch; a batch with fewer clips has as many pieces as clips.
        ranks: the processes of the run.
    """

    accumulate: int = 1
    ranks: Ranks = Ranks()
    loss: Tensor
    mb_output: Tensor
    _share: float = 1.0

    @property
    def batch(self) -> Batch:
        """What passes the model: the batch, or a piece of it."""
        batch: Batch = self.mbatch
        return batch

    # What Avalanche's own plug-ins call the parts of a batch.

    @property
    def mb_x(self) -> Tensor:
        return self.batch.clips

    @property
    def mb_y(self) -> Tensor:
        return self.batch.targets

    @property
    def mb_task_id(self) -> Tensor:
        return self.batch.tasks

    def training_epoch(self, **kwargs: Any) -> None:
        for batch in self.dataloader:
            self.mbatch = batch
            if self._stop_training:
                break
            self._unpack_minibatch()
            self._before_training_iteration(**kwargs)
            self.optimizer.zero_grad()
            self._accumulate_batch(**kwargs)
            self._before_update(**kwargs)
            self.optimizer_step()
            self._after_update(**kwargs)
            self._after_training_iteration(**kwargs)
            self.after_step()

    def after_step(self) -> None:
        """Called when a step is over, all hooks included."""

    def backward(self) -> None:
        self.scale_loss(self.loss * self._share).backward()

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """Those of a loss of what passes the model, for each trained parameter, as `backward` would add them up.

        The graph is kept for `backward`.
        """
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        scaled = self.scale_loss(loss * self._share)
        return list(torch.autograd.grad(scaled, trained, retain_graph=True, materialize_grads=True))

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The loss as its gradient is taken: for mixed precision to scale."""
        return loss

    def _accumulate_batch(self, **kwargs: Any) -> None:
        """Gradients of the batch; leaves its mean loss in `loss` and its outputs in `mb_output`."""
        batch, clips = self.batch, len(self.batch)
        pieces = min(self.accumulate, clips)
        if pieces == 1 and self.ranks.size == 1:
            self._share = 1.0
            self._pass_piece(**kwargs)
            return
        losses, outputs = [], []
        for start in range(pieces):
            piece = batch.piece(start, pieces)
            part = Part(self.ranks, len(piece))
            self.mbatch = piece if self.ranks.size == 1 else piece.of_part(part)
            self._share = part.own / clips
            self._pass_piece(**kwargs)
            losses.append(self.loss.detach() * self._share)
            outputs.append(self.mb_output.detach()[: part.own])
        self.mbatch, self.loss = batch, self.ranks.sum(torch.stack(losses).sum(dim=0))
        self.mb_output = outputs[0].new_zeros(clips, *outputs[0].shape[1:])
        for start, output in enumerate(outputs):
            self.mb_output[start::pieces][self.ranks.rank :: self.ranks.size] = output
        self.ranks.sum(self.mb_output)
        own = sum(map(len, outputs))
        sum_over_processes(self.model, self.ranks, share=own / clips)

    def _pass_piece(self, **kwargs: Any) -> None:
        self.loss = self._make_empty_loss()
        self._before_forward(**kwargs)
        self.mb_output = self.forward()
        self._after_forward(**kwargs)
        self.loss += self.criterion()
        self._before_backward(**kwargs)
        self.backward()
        self._after_backward(**kwargs)


def check_pieces(recipe: TrainConfig) -> int:
    """How many pieces a batch passes the model in.

    Raises:
        UserError: more than the clips in a batch.
    """
    if recipe.accumulate > recipe.batch_size:
        raise UserError(
            f"{recipe.accumulate} pieces of a batch of {recipe.batch_size} clips",
            where="train.accumulate",
            legal=f"1 to {recipe.batch_size}",
        )
    return recipe.accumulate


def clips_at_once(recipe: TrainConfig) -> int:
    """The most clips that pass the model at once in training: those that a norm by batch computes its statistics of."""
    return -(-recipe.batch_size // recipe.accumulate)


def by_batch(model: nn.Module) -> bool:
    """Whether any norm of a model has running statistics, and so goes by those of a batch in training."""
    return any(isinstance(getattr(module, "running_mean", None), Tensor) for module in model.modules())


def note_pieces(model: nn.Module, recipe: TrainConfig, reporter: Reporter) -> None:
    """Say where norms see less than a batch."""
    if recipe.accumulate > 1 and by_batch(model):
        reporter.note(
            f"train.accumulate={recipe.accumulate}: norms by batch compute their statistics of {clips_at_once(recipe)} "
            f"clips at a time, not of {recipe.batch_size}."
        )
