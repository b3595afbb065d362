"""Undocumented interfaces of purgatory: the states of a circuit and the error of an open one.

On an upgrade of purgatory compare with `OPENED`, `OpenedState` and `Context` in `purgatory/domain/model.py`. Then run
`tests/unit/payments/test_circuit_breaker.py` and change `VERSION`.
"""

import importlib.metadata

from purgatory.domain.model import OPENED, OpenedState

__all__ = ["OPENED", "OpenedState"]

VERSION = "3.0"
"""The release series that this module fits."""
if not (_installed := importlib.metadata.version("purgatory")).startswith(f"{VERSION}."):
    raise ImportError(f"purgatory {_installed} is not {VERSION}: check {__name__} first")
