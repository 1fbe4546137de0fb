"""Whether a configuration's protocol fits its classes, as far as names and lists tell: nothing is decoded or made."""

from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.config.config import Config
from clnorm.errors import ClnormError
from clnorm.streams.stream import create_stream

if TYPE_CHECKING:
    from clnorm.data.table import ClipTable


def check_named_classes(config: Config) -> None:
    """Check the protocol of a dataset whose name says the number of its classes, before its clips are made.

    Raises:
        UserError: the protocol does not fit.
    """
    if config.dataset.name == "synthetic":
        config.protocol.build(int(config.dataset.kwargs["classes"]), seed=config.seed)


class FitCheck:
    """Checks configurations one after the other; the lists of a dataset are read once."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, str | None], ClipTable | str] = {}
        self._fitting: set[tuple[object, ...]] = set()

    def check(self, config: Config) -> str:
        """Check that the protocol fits, and that each class has clips to train and to test on.

        Returns:
            Why that could not be checked, where the dataset's lists cannot be read; else nothing.

        Raises:
            UserError: the protocol does not fit the classes, or a class has no clips.
        """
        if config.dataset.name == "synthetic":
            check_named_classes(config)
            return ""
        key = (str(config.dataset), config.data.root)
        if key not in self._tables:
            self._tables[key] = self._read(config)
        table = self._tables[key]
        if isinstance(table, str):
            return table
        if (cut := (*key, config.protocol, config.seed)) not in self._fitting:
            create_stream(table, config.protocol, seed=config.seed, bad={})
            self._fitting.add(cut)
        return ""

    def _read(self, config: Config) -> "ClipTable | str":
        root = Path(config.data.root).expanduser() if config.data.root is not None else None
        try:
            table: ClipTable = config.dataset.build(root, progress=None)
        except ClnormError as error:
            return f"The protocol is not checked against the clips, which cannot be listed: {error}"
        return table
