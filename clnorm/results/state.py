"""The state of an unfinished run: what it goes on from after a stop or a kill. The last two are kept."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from clnorm.config.identity import state_after
from clnorm.errors import ClnormError
from clnorm.files import UNSEALED, check_seal, replace_file, seal

_ANEW = "delete it, and state_before.pt beside it, to start this run anew"


class StateFiles:
    """`state.pt`, the newest state of a run, and `state_before.pt`, the one before it.

    Args:
        folder: the run's folder, which one process at a time writes in.
    """

    def __init__(self, folder: Path) -> None:
        # A kill between writing the next one and taking it over leaves it under its own name.
        self.next, self.newest, self.before = (
            folder / name for name in ("state_next.pt", "state.pt", "state_before.pt")
        )

    def exist(self) -> bool:
        """Whether a run that was stopped can go on from here."""
        return bool(self.found())

    def save(self, state: dict[str, Any], *, forever: bool = False) -> None:
        """Keep a state of tensors, numbers and texts, and the newest one so far beside it.

        Args:
            state: of the run.
            forever: keep it also as the state after as many experiences as are `done`, for runs that branch off.
        """
        sealed = pack_state(state)
        if forever:
            branch = state_after(self.newest.parent, state["done"])
            branch.parent.mkdir(exist_ok=True)
            replace_file(branch, lambda file: file.write(sealed))
        replace_file(self.next, lambda file: file.write(sealed))
        if self.newest.exists():
            self.newest.replace(self.before)
        self.next.replace(self.newest)

    def load(self, note: Callable[[str], None]) -> dict[str, Any] | None:
        """The newest state that is whole; None where there is none.

        Args:
            note: told where the newest state is damaged or gone, so that the one before it is taken.

        Raises:
            ClnormError: no state is whole: the newest one's fault.
        """
        faults: list[ClnormError] = []
        for file in self.found():
            try:
                state = unpack_state(file)
            except ClnormError as error:
                faults.append(error)
                continue
            if faults:
                fault = f"{faults[0].where} {faults[0].what}"
                note(f"{fault}: the state before it is taken, and what came after that is done again")
            elif file == self.before:
                note(f"{self.newest} is gone: the state before it is taken, and what came after that is done again")
            return state
        if faults:
            raise faults[0]
        return None

    def found(self) -> tuple[Path, ...]:
        """The files that are there, the newest first."""
        return tuple(filter(Path.exists, self._files()))

    def drop(self) -> None:
        """Remove all."""
        for file in self._files():
            file.unlink(missing_ok=True)

    def _files(self) -> tuple[Path, Path, Path]:
        """Where states stand, the newest first."""
        return self.next, self.newest, self.before


class UnkeptState(StateFiles):
    """The states of a run as a process sees them that leaves keeping and reading them to another."""

    def exist(self) -> bool:
        return False

    def save(self, state: dict[str, Any], *, forever: bool = False) -> None: ...

    def load(self, note: Callable[[str], None]) -> None: ...


def pack_state(state: dict[str, Any]) -> bytes:
    """A state as a file's content, with its checksum."""
    import torch

    # Through memory, because torch turns a full disk into an error of its own.
    buffer = BytesIO()
    torch.save(state, buffer)
    buffer.write(UNSEALED.encode())  # torch finds its archive before it
    return seal(buffer.getvalue())


def unpack_state(file: Path) -> dict[str, Any]:
    """A state from its file, read without pickle's power to run code.

    Raises:
        ClnormError: the file is not a state, it was damaged, or an earlier version wrote it, without a checksum.
    """
    import torch

    try:
        content = file.read_bytes()
        if not check_seal(content):
            what = "has no checksum: it is damaged, or an earlier version of clnorm wrote it"
            raise ClnormError(what, where=str(file), hint=_ANEW)
        state: dict[str, Any] = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except ClnormError:
        raise
    except Exception as error:  # torch raises many kinds for one cause
        reason = f" ({error})" if isinstance(error, ValueError) else ""
        raise ClnormError(f"is damaged{reason}", where=str(file), hint=_ANEW) from error
    return state
