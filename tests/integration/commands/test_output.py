"""The standard output of a command may be closed, full or without a reader."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import ROOT, clean_environment

SCRIPT = """
from api.commands import output
try:
    output.write("first")
except OSError as error:
    output.write("second")
    raise SystemExit(error.errno)
"""


def run(script: str, stdout: int) -> tuple[int, bytes]:
    """Run a script with a standard output; return its exit code and its errors."""
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), stdout=stdout, stderr=subprocess.PIPE, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("code", [errno.EPIPE, errno.ENOSPC])
def test_a_failure_is_reported_once(code: int) -> None:
    if code == errno.ENOSPC:
        descriptor = os.open(Path("/dev/full"), os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    try:
        assert run(SCRIPT, descriptor) == (code, b"")
    finally:
        os.close(descriptor)


def test_a_process_without_an_output_writes_nothing() -> None:
    assert run(f"import sys\nsys.stdout = None\n{SCRIPT}", subprocess.PIPE) == (0, b"")
