"""Trackio: a database on this machine."""

from collections.abc import Mapping

from clnorm.loggers.logger import Logger, Stream, require


class Trackio(Logger):
    """Writes into Trackio's database on this machine, and elsewhere only where its own variables say so.

    Args:
        stream: the run.
        project: that the run belongs to.

    Raises:
        UserError: the package trackio is not installed.
    """

    def __init__(self, stream: Stream, project: str = "clnorm") -> None:
        super().__init__(stream)
        self._project, self._trackio = project, require("trackio", extra="trackio")

    def open(self) -> str:
        self._run = self._trackio.init(
            project=self._project,
            name=self.stream.name,
            config=dict(self.stream.config),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        return f"trackio show --project {self._project}"

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        self._run.log(dict(values), step=step)

    def finish(self, metrics: Mapping[str, float]) -> None:
        self._run.log({f"metrics/{name}": value for name, value in metrics.items()})

    def close(self) -> None:
        self._run.finish()
