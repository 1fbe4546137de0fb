"""Processes that share a batch, as threads of one: each calls the same exchanges in the same order."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch

from clnorm.ranks import Ranks


class Board:
    """Where threads leave what they exchange."""

    def __init__(self, size):
        self.slots, self.barrier, self.exchanges = [None] * size, threading.Barrier(size, timeout=20), 0

    def combine(self, rank, tensor, how):
        self.slots[rank] = tensor.clone()
        self.barrier.wait()
        result = how(torch.stack(self.slots))
        self.exchanges += rank == 0
        self.barrier.wait()
        return tensor.copy_(result)


@dataclass(frozen=True)
class ThreadRanks(Ranks):
    board: Board = field(default=None, kw_only=True)

    def sum(self, tensor):
        return self.board.combine(self.rank, tensor, lambda stacked: stacked.sum(0))

    def maximum(self, tensor):
        return self.board.combine(self.rank, tensor, lambda stacked: stacked.amax(0))

    def give(self, tensor):
        self.board.combine(self.rank, tensor, lambda stacked: stacked[0])


def in_threads(size, work):
    """What `work(ranks)` gives in each of `size` threads, and their board."""
    board = Board(size)

    def one(rank):
        try:
            return work(ThreadRanks(rank, size, rank, board=board))
        except BaseException:
            board.barrier.abort()  # the others do not wait for this one
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(one, rank) for rank in range(size)]
    errors = [error for future in futures if (error := future.exception()) is not None]
    first = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
    if errors:
        raise (first or errors)[0]
    return [future.result() for future in futures], board
