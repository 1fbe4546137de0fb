"""Weights & Biases: files beside the run's own, sent on only where the user asks for it."""

import os
from collections.abc import Mapping

from clnorm.loggers.logger import Logger, Stream, require


class Wandb(Logger):
    """Writes into the folder `wandb` of the run's folder, and sends it on where it is asked to.

    Neither the code, the state of git, the terminal's text nor the machine's load are logged.

    Args:
        stream: the run.
        project: that the run belongs to.
        mode: `offline`, `online`, or `auto`, which is what `WANDB_MODE` says, and offline where it says nothing.

    Raises:
        UserError: the package wandb is not installed.
    """

    def __init__(self, stream: Stream, project: str = "clnorm", mode: str = "auto") -> None:
        super().__init__(stream)
        self._project, self._mode = project, os.environ.get("WANDB_MODE", "offline") if mode == "auto" else mode
        if self._mode != "online":  # its own failures would be reported over the network
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self._wandb = require("wandb", extra="wandb")

    def open(self) -> str:
        settings = self._wandb.Settings(
            console="off", disable_code=True, disable_git=True, silent=True, x_disable_stats=True, x_disable_meta=True
        )
        self._run = self._wandb.init(
            project=self._project,
            id=self.stream.name,
            name=self.stream.name,
            dir=str(self.stream.folder),
            config=dict(self.stream.config),
            mode=self._mode,
            resume="allow",
            settings=settings,
        )
        # Its own steps may only grow, and what a run says of an experience comes after that experience's last epoch.
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")
        return (
            f"wandb sync {self.stream.folder / 'wandb'}/offline-run-*"
            if self._mode == "offline"
            else self._run.url or ""
        )

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        self._run.log({**values, "step": step})

    def finish(self, metrics: Mapping[str, float]) -> None:
        self._run.summary.update({f"metrics/{name}": value for name, value in metrics.items()})

    def close(self) -> None:
        self._run.finish()
