"""Beginnings that runs share: the state when an experience's steps are done, kept in the cache for runs like this one.

Strategies that do nothing before the first experience ends train it alike, and so do all runs on streams with the same
beginning. What a state depends on is its name: options, clips, seed, versions, machine, and clnorm's own source.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from clnorm.config.config import Config
from clnorm.config.identity import BESIDE, NOT_IDENTITY, describe
from clnorm.environment import read_versions
from clnorm.errors import ClnormError
from clnorm.files import cache_dir, replace_file
from clnorm.norms.base import uses_progress
from clnorm.results.state import pack_state, unpack_state
from clnorm.training.processes import share_state
from clnorm.training.states.keeping import describe_clips
from clnorm.training.trainer import ClipStrategy

FOLDER = "prefixes"


class Prefixes:
    """The states that a run can begin from, and leaves for others.

    Args:
        strategy: of the run.
    """

    def __init__(self, strategy: ClipStrategy) -> None:
        self._strategy, self._save = strategy, strategy.setup.config.save
        self._note = strategy.setup.reporter.note

    @contextmanager
    def of(self, index: int, *, begun: bool, waiting: Callable[[], None]) -> Iterator["Prefix | None"]:
        """The shared state at the end of experience `index`; None where the configuration wants none.

        Likewise where a plug-in could not take it up again: this run would leave what it cannot begin from.

        While this run trains the experience itself, another process that would train the same waits; not so a run that
        is within it already.

        Args:
            index: of the experience.
            begun: whether this run goes on within the experience.
            waiting: called every second while another process is at work on it; it may raise.
        """
        last = index + 1 == len(self._strategy.training_stream.experiences)
        wanted = self._save.prefixes == "all" or (self._save.prefixes == "first" and not index)
        if last or not wanted or not self._strategy.can_go_on:
            yield None
            return
        if not self._strategy.ranks.first:
            yield Prefix(self._strategy, None, release=lambda: None)
            return
        from filelock import FileLock, Timeout

        folder = cache_dir() / FOLDER
        folder.mkdir(exist_ok=True)
        name = hashlib.sha256(self._describe(index).encode()).hexdigest()[:32]
        lock = FileLock(folder / f"{name}.lock")
        with suppress(Timeout):
            lock.acquire(timeout=0)
        if not lock.is_locked and begun and self._strategy.ranks.size == 1:
            yield None
            return
        if not lock.is_locked:
            self._note(f"Waiting: another process trains experience {index + 1} just as this run would.")
        while not lock.is_locked:
            waiting()
            with suppress(Timeout):
                lock.acquire(timeout=1)
        try:
            yield Prefix(self._strategy, folder / f"{name}.pt", release=lock.release)
        finally:
            lock.release()

    def _describe(self, index: int) -> str:
        """All that the state after the steps of experience `index` depends on."""
        strategy = self._strategy
        setup, shared = strategy.setup, index == 0 and strategy.first_as_naive
        parts = {
            "options": describe_options(setup.config, with_strategy=not shared),
            "store": describe_clips(strategy),
            "experiences": strategy.training_stream.digests[: index + 1],
            "steps": strategy.statistics.total if uses_progress(strategy.model) else None,
            "execution": setup.execution.to_dict(),
            "versions": read_versions(strategy.device),
            "source": _digest_source(),
        }
        return json.dumps(parts, sort_keys=True)


class Prefix:
    """One shared state, held by this process.

    Args:
        strategy: of the run.
        file: that the state is in, or will be; None for a process that leaves reading and writing to the first one.
        release: lets others have it, once it is there.
    """

    def __init__(self, strategy: ClipStrategy, file: Path | None, *, release: Callable[[], None]) -> None:
        self._strategy, self._file, self._release = strategy, file, release

    def load(self) -> dict[str, Any] | None:
        """The state with the `log`, `seconds`, `clips` and `steps` that led to it, or None where it is not there."""
        return share_state(self._read(), self._strategy.ranks)

    def _read(self) -> dict[str, Any] | None:
        if self._file is None or not self._file.exists():
            return None
        try:
            state = unpack_state(self._file)
        except ClnormError as error:
            self._strategy.setup.reporter.note(f"{error.where} {error.what}: it is made anew.")
            self._file.unlink(missing_ok=True)
            return None
        with suppress(FileNotFoundError):  # another process has made room meanwhile
            os.utime(self._file)
        self._release()
        return state

    def save(self, *, log: list[dict[str, Any]], seconds: float, clips: int, steps: Tensor) -> None:
        """Keep the state at which the strategy stands; a full disk is told of and is no error.

        Args:
            log: the lines of the experience.
            seconds: that it took.
            clips: that passed the model.
            steps: what was tested in its steps, see `Findings`.
        """
        position = self._strategy.position()
        if self._file is None:
            return
        # The moments of the optimizer end with the experience, and a method's own things begin with this run's.
        position["optimizer"] = {**position["optimizer"], "state": {}}
        if self._strategy.first_as_naive and self._strategy.index == 0:
            own = ("plugins", "memory", "exemplars")
            position["strategy"] = {name: value for name, value in position["strategy"].items() if name not in own}
        content = pack_state({"position": position, "log": log, "seconds": seconds, "clips": clips, "steps": steps})
        try:
            replace_file(self._file, lambda file: file.write(content))
        except ClnormError as error:
            self._strategy.setup.reporter.note(f"The beginning is not kept for other runs: {error}")
        _trim(self._file.parent, self._strategy.setup.config.save.prefixes_gb)
        self._release()


def _trim(folder: Path, most_gb: float) -> None:
    """Delete the least recently used states beyond a limit; other processes do so at the same time."""
    found = []
    for file in folder.glob("*.pt"):
        with suppress(FileNotFoundError):
            status = file.stat()
            found.append((status.st_mtime, status.st_size, file))
    total = 0
    for _, size, file in sorted(found, reverse=True):
        total += size
        if total > most_gb * 1e9:
            file.unlink(missing_ok=True)


def describe_options(config: Config, *, with_strategy: bool) -> dict[str, Any]:
    """The options that the state at the end of an experience depends on; what a protocol does to it, its clips say.

    With tests within the experience there are their accuracies, too, and the test clips are the protocol's.
    """
    left_out = {*NOT_IDENTITY, *BESIDE, "protocol"}
    if config.eval.every:
        left_out -= {"eval.every", "protocol"}
    return describe(config, leave_out=left_out | (set() if with_strategy else {"strategy"}))


@cache
def _digest_source() -> str:
    """The hash of clnorm's own source: whatever changes in it may change a number."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for file in sorted(path for path in root.rglob("*") if path.suffix in (".py", ".cpp", ".h")):
        digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
