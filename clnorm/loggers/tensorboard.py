"""TensorBoard: event files beside the run's own."""

from collections.abc import Mapping

from clnorm.loggers.logger import Logger, Stream, require


class TensorBoard(Logger):
    """Writes event files into the folder `tensorboard` of the run's folder.

    Args:
        stream: the run.

    Raises:
        UserError: the package tensorboard is not installed.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        require("tensorboard", extra="tensorboard")

    def open(self) -> str:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self.stream.folder / "tensorboard"))
        return f"tensorboard --logdir {self.stream.folder.parent}"

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, global_step=step)
        self._writer.flush()  # a killed run has what its log.jsonl has

    def finish(self, metrics: Mapping[str, float]) -> None:
        """Into the same file; `add_hparams` would begin another one, which counts as another run."""
        from torch.utils.tensorboard.summary import hparams

        shown = {key: str(value) if value is None else value for key, value in self.stream.config.items()}
        named = {f"metrics/{name}": value for name, value in metrics.items()}
        for summary in hparams(shown, named):
            self._writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]  # None once it is closed
        for name, value in named.items():
            self._writer.add_scalar(name, value)

    def close(self) -> None:
        self._writer.close()
