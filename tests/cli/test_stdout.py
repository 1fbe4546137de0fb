"""Where stdout cannot take what is printed."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "code", "said"), [(">&-", 0, ""), (">/dev/full", 1, "stdout cannot be written")]
)
def test_a_stdout_that_takes_nothing_is_a_line(redirection, code, said):
    command = f"{sys.executable} -m clnorm list norms {redirection}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 1
