"""The standard output of the commands."""

import os
import sys


def write(text: str) -> None:
    """Write a text to the standard output, if the process has one. After a failure all further output is discarded.

    Raises:
        OSError: the text cannot be written, for instance because the program that reads the output has ended.
    """
    try:
        print(text, end="", flush=True)  # noqa: T201 - unlike sys.stdout.write, it works without a standard output
    except OSError:
        # Otherwise Python would fail once more when it writes its buffer at the end of the process.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise


def write_line(text: str) -> None:
    """Write a line to the standard output.

    Raises:
        OSError: as `write`.
    """
    write(f"{text}\n")
