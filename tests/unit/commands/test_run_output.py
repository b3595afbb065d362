"""The supervisor outlives an output that cannot be written."""

import errno
import io
import sys

import pytest

from api.commands import run


class FullDisk(io.StringIO):
    """An output on a full disk."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_below_the_output_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    output = FullDisk()
    monkeypatch.setattr(sys, "stdout", output)
    run._print("The worker ended unexpectedly.")
    assert output.getvalue() == "The worker ended unexpectedly.\n"
