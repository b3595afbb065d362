"""Keeps httpx from loading its own command line, which takes more time than its client.

httpx loads the module `httpx._main` if that exists with its packages. On an upgrade of httpx compare with the end of
`httpx/__init__.py`, then run `tests/unit/test_patches.py` and change `VERSION`.
"""

import importlib.metadata
import sys

VERSION = "0.28"
"""The release series that this module fits."""
if not (_installed := importlib.metadata.version("httpx")).startswith(f"{VERSION}."):
    raise ImportError(f"httpx {_installed} is not {VERSION}: check {__name__} first")


def omit_command_line() -> None:
    """Make `httpx._main` an absent module. It has no effect after the import of httpx."""
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
