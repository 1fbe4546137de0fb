"""The processes that share one run, as torchrun starts them: which of them this is, and what they tell each other.

Without torchrun there is one, for which every exchange gives back what it was given, and `torch.distributed` is not
imported. A process of several is called a rank, by its number from 0; the first one alone writes files.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from clnorm.errors import ClnormError, UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_LONGEST_WAIT = timedelta(days=2)  # the first one may decode a dataset; torchrun ends all where one has died
_SPECTATORS = 2  # batch statistics of one clip can be of one value, which has none


@dataclass(frozen=True)
class Ranks:
    """The processes of a run, seen by one of them. Each calls the same methods in the same order.

    Args:
        rank: of this process, from 0.
        size: how many there are.
        local: this process's number on its own machine, which is that of its GPU.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def sum(self, tensor: "Tensor") -> "Tensor":
        """The sum of all processes' tensors, in place: to the bit the same on each."""
        if self.size > 1:
            import torch.distributed as dist

            with _told():
                dist.all_reduce(tensor)
        return tensor

    def maximum(self, tensor: "Tensor") -> "Tensor":
        """The largest of all processes' tensors, element by element, in place."""
        if self.size > 1:
            import torch.distributed as dist

            with _told():
                dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return tensor

    def largest(self, number: int) -> int:
        """The largest of all processes' numbers."""
        if self.size == 1:
            return number
        import torch

        return int(self.maximum(torch.tensor(number)))

    def give(self, tensor: "Tensor") -> None:
        """Make each process's tensor that of the first one, in place."""
        if self.size > 1:
            import torch.distributed as dist

            with _told():
                dist.broadcast(tensor, src=0)

    def share(self, content: bytes | None) -> bytes | None:
        """What the first process gives, on each; what others give does not matter."""
        if self.size == 1:
            return content
        import torch

        length = self.largest(-1 if content is None or not self.first else len(content))
        if length <= 0:
            return None if length < 0 else b""
        held = torch.empty(length, dtype=torch.uint8)
        if self.first and content is not None:
            held = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        self.give(held)
        return held.numpy().tobytes()

    @contextmanager
    def first_ahead(self) -> Iterator[None]:
        """A context that the first process is through before the others enter it."""
        if not self.first:
            self.largest(0)
        yield
        if self.first:
            self.largest(0)


@contextmanager
def _told() -> Iterator[None]:
    """An exchange, whose failure is told in one line.

    Raises:
        ClnormError: another process is gone, or cannot be reached.
    """
    try:
        yield
    except RuntimeError as error:  # torch.distributed's own errors are subclasses
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        what = f"another process of this run has ended, or cannot be reached ({reason[:120]})"
        raise ClnormError(
            what, hint="the first message of a process says why; the run goes on from its state"
        ) from error


@dataclass(frozen=True)
class Part:
    """This process's clips of those that pass the model at once: every `size`-th one, beginning with number `rank`.

    A process that would get none holds the first ones as a spectator: it takes part in every exchange and counts
    nothing.

    Args:
        ranks: the processes.
        clips: that pass the model at once, on all of them.
    """

    ranks: Ranks
    clips: int

    @property
    def own(self) -> int:
        """How many clips count here."""
        return len(range(self.ranks.rank, self.clips, self.ranks.size))

    @property
    def held(self) -> int:
        """How many clips pass the model here: its own, or those of a spectator."""
        return self.own or min(_SPECTATORS, self.clips)

    def take(self, of_clips: "Tensor") -> "Tensor":
        """(clips, ...) -> (held, ...): what is given for all clips, for those that pass the model here."""
        if not self.own:
            return of_clips[: self.held]
        return of_clips[self.ranks.rank :: self.ranks.size]

    def gather(self, *of_samples: "Tensor") -> tuple["Tensor", ...]:
        """(S, C) -> (all S, C), each: what is known of each process's samples, in the order of the whole batch.

        A clip is some samples, one after the other. A spectator's do not come in.
        """
        import torch

        if self.ranks.size == 1:
            return of_samples
        stacked = torch.stack(of_samples)
        count, samples, channels = stacked.shape
        whole = stacked.new_zeros(count, self.clips, samples // self.held, channels)
        if self.own:
            whole[:, self.ranks.rank :: self.ranks.size] = stacked.view(count, self.own, -1, channels)
        return self.ranks.sum(whole).view(count, -1, channels).unbind()

    def scatter(self, of_samples: "Tensor") -> "Tensor":
        """(all S, C) -> (S, C): the rows of this process's samples; zeros for a spectator's."""
        if self.ranks.size == 1:
            return of_samples
        clips = of_samples.reshape(self.clips, -1, of_samples.shape[1])
        if not self.own:
            return of_samples.new_zeros(self.held * clips.shape[1], of_samples.shape[1])
        return clips[self.ranks.rank :: self.ranks.size].reshape(-1, of_samples.shape[1])

    def add_up(self, gradient: "Tensor") -> "Tensor":
        """The sum of a gradient over the processes, each of which has that of its own clips' loss."""
        return gradient if self.ranks.size == 1 else self.ranks.sum(gradient.clone())

    def divide(self, gradient: "Tensor") -> "Tensor":
        """This process's share of a gradient that all of them know whole, for their sum to be right."""
        return gradient if self.ranks.size == 1 else gradient / self.ranks.size


@cache
def connect() -> Ranks:
    """This process's place among those of the run; the first call waits for all of them.

    Raises:
        UserError: what torchrun tells them is no number.
    """
    ranks = read_place()
    if ranks.size > 1:
        import atexit

        import torch
        import torch.distributed as dist

        both = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if both else "gloo", timeout=_LONGEST_WAIT)
        atexit.register(dist.destroy_process_group)
    return ranks


def place_on(device: "torch.device", ranks: Ranks) -> "torch.device":
    """The device of this process: on a machine with GPUs, that of its own number.

    Raises:
        UserError: there are more processes than GPUs.
    """
    import torch

    if device.type != "cuda" or ranks.size == 1:
        return device
    here = max(int(os.environ.get("LOCAL_WORLD_SIZE", "1")), ranks.local + 1)
    if here > torch.cuda.device_count():
        raise UserError(
            f"{here} processes of this machine have {torch.cuda.device_count()} GPUs, and each needs one of its own",
            where="torchrun --nproc-per-node",
            legal=f"1 to {torch.cuda.device_count()} processes, or --set train.device=cpu",
        )
    torch.cuda.set_device(ranks.local)
    return torch.device("cuda", ranks.local)


def read_place() -> Ranks:
    """This process's place as torchrun tells it, without waiting for the others; alone where it tells none.

    Raises:
        UserError: what it tells is no place.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if "MASTER_ADDR" not in os.environ or not all(name in os.environ for name in names):
        return Ranks()
    try:
        rank, size, local = (int(os.environ[name]) for name in names)
    except ValueError:
        what = ", ".join(f"{name}={os.environ[name]}" for name in names)
        raise UserError(f"{what} are no numbers of processes", where="the environment", hint="use torchrun") from None
    if not 0 <= rank < size or local < 0:
        what = f"RANK={rank} of WORLD_SIZE={size}, LOCAL_RANK={local}"
        raise UserError(what, where="the environment", legal="RANK from 0 to WORLD_SIZE - 1", hint="use torchrun")
    return Ranks(rank, size, local)
