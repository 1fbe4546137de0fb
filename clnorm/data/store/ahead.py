"""Work done ahead of its use by threads, in order, with a bounded number of results in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], *, ahead: int
) -> Iterator[Result]:
    """`work(item)` for each item, in their order, with `ahead` of them begun before their results are asked for."""
    remaining = iter(items)
    pending: deque[Future[Result]] = deque(pool.submit(work, item) for item in islice(remaining, ahead))
    while pending:
        result = pending.popleft()
        pending.extend(pool.submit(work, item) for item in islice(remaining, 1))
        yield result.result()
