"""prometheus_client with files that a full disk cannot turn into a crash.

prometheus_client maps sparse files into memory. On a full disk the kernel kills a process that writes to a part of such
a file for the first time. A process does so when it counts its first response 503, for instance. This module therefore
allocates the files of its process before it imports prometheus_client. If the disk is already full, the process keeps
its metrics in its own memory.

On an upgrade of prometheus_client compare with `MultiProcessValue` in `prometheus_client/values.py`, which names the
files, and with `MmapedDict` in `prometheus_client/mmap_dict.py`. Then run `tests/unit/test_metrics_files.py` and change
`VERSION`.
"""

import importlib.metadata
import logging
import os
from pathlib import Path

from api.process_environment import METRICS_DIR_VARIABLE

VERSION = "0.26"
"""The release series that this module fits."""
if not (_installed := importlib.metadata.version("prometheus_client")).startswith(f"{VERSION}."):
    raise ImportError(f"prometheus_client {_installed} is not {VERSION}: check {__name__} first")

_log = logging.getLogger(__name__)

FILE_BYTES = 1 << 18
"""Size of a file: all metrics of a process need a fifth of it."""
_TYPES = ("counter", "histogram")
"""The types of metrics in the files."""


def _allocate(directory: Path) -> None:
    for kind in _TYPES:
        with (directory / f"{kind}_{os.getpid()}.db").open("ab") as file:
            if hasattr(os, "posix_fallocate"):  # macOS lacks it.
                os.posix_fallocate(file.fileno(), 0, FILE_BYTES)


if _directory := os.environ.get(METRICS_DIR_VARIABLE):
    try:
        _allocate(Path(_directory))
    except OSError as error:
        _log.warning("This process keeps its metrics in memory: %s", error)
        del os.environ[METRICS_DIR_VARIABLE]

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, Metric, generate_latest  # noqa: E402
from prometheus_client.core import GaugeMetricFamily  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402

__all__ = [
    "REGISTRY",
    "CollectorRegistry",
    "Counter",
    "GaugeMetricFamily",
    "Histogram",
    "Metric",
    "MultiProcessCollector",
    "generate_latest",
]
