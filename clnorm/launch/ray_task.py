"""What a process of Ray runs: a worker's command, as a process of its own, on whichever node it is."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence

_EVERY = 0.2  # seconds between two looks at the process


def run_command(words: Sequence[str], folder: str, log: str) -> int:
    """Run a command in a folder, its output appended to a file; gives its exit code, negative where a signal ended it.

    Where Ray cancels the task, the command is asked to stop, and waited for. Ray interrupts this process for that,
    which one that a shell started in the background ignores by itself.

    Raises:
        OSError: the folder, the file or the command is not there on this node.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(log, "ab") as file:  # noqa: PTH123 - nothing but built-ins goes from node to node
        process = subprocess.Popen(  # noqa: S603 - clnorm's own words
            words, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env={**os.environ}
        )
        try:
            return _wait(process)
        except KeyboardInterrupt:
            process.terminate()
            return _wait(process)


def _wait(process: "subprocess.Popen[bytes]") -> int:
    """Wait in short steps, between which Python can be interrupted."""
    while (code := process.poll()) is None:
        time.sleep(_EVERY)
    return code
