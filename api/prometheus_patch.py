"""prometheus_client with files that a full disk cannot turn into a crash, and with updates of many observations.

prometheus_client maps sparse files into memory. On a full disk the kernel kills a process that writes to a part of such
a file for the first time. A process does so when it counts its first response 503, for instance. This module therefore
allocates the files of its process before it imports prometheus_client. If the disk is already full, the process keeps
its metrics in its own memory. A forked process has files of its own, which this module allocates right after the fork.

On an upgrade of prometheus_client compare with `MultiProcessValue` in `prometheus_client/values.py`, which names the
files, with `MmapedDict` in `prometheus_client/mmap_dict.py`, and with `Histogram.observe` in
`prometheus_client/metrics.py`. Then run `tests/integration/test_metrics_files.py` and change `VERSION`.
"""

import importlib.metadata
import logging
import os
from collections.abc import Sequence
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


def _allocate() -> bool:
    """Allocate the files of this process; return False, without any file, if there is no space."""
    if not hasattr(os, "posix_fallocate"):  # macOS lacks it.
        return True
    paths = [Path(os.environ[METRICS_DIR_VARIABLE], f"{kind}_{os.getpid()}.db") for kind in _TYPES]
    try:
        for path in paths:
            with path.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
    except OSError as error:
        _log.warning("This process keeps its metrics in memory: %s", error)
        for path in paths:  # The other processes cannot read an empty file.
            path.unlink(missing_ok=True)
        return False
    return True


if METRICS_DIR_VARIABLE in os.environ and not _allocate():
    del os.environ[METRICS_DIR_VARIABLE]

from prometheus_client import (  # noqa: E402
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    generate_latest,
    values,
)
from prometheus_client.core import GaugeMetricFamily  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402


class _MemoryDict:
    """The interface of `MmapedDict`, without a file."""

    def __init__(self, _: str) -> None:
        self._values: dict[str, tuple[float, float]] = {}

    def read_value(self, key: str) -> tuple[float, float]:
        return self._values.setdefault(key, (0.0, 0.0))

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        self._values[key] = value, timestamp

    def close(self) -> None:
        self._values.clear()


_in_memory = False


def _prepare_child() -> None:
    # prometheus_client opens the files of the new process id when the child first uses a metric.
    global _in_memory  # noqa: PLW0603 - a property of this process
    if not _allocate():
        _in_memory = True
        values.MmapedDict = _MemoryDict  # type: ignore[attr-defined, assignment]


if METRICS_DIR_VARIABLE in os.environ:
    os.register_at_fork(after_in_child=_prepare_child)


def add_observations(histogram: Histogram, counts: Sequence[int], total: float) -> None:
    """Add observations to a histogram as `observe` does for one.

    Args:
        histogram: a histogram without labels, or with values for its labels.
        counts: the number of observations in each bucket, in the order of their bounds, the one without a bound last.
        total: the sum of the observations.
    """
    histogram._sum.inc(total)  # noqa: SLF001 - prometheus_client adds one observation at a time
    for bucket, count in zip(histogram._buckets, counts, strict=True):  # noqa: SLF001
        if count:
            bucket.inc(count)


def metrics_directory() -> Path | None:
    """Return the directory with the files of all processes; None if this process keeps its metrics in memory."""
    directory = os.environ.get(METRICS_DIR_VARIABLE)
    return Path(directory) if directory and not _in_memory else None


__all__ = [
    "REGISTRY",
    "CollectorRegistry",
    "Counter",
    "GaugeMetricFamily",
    "Histogram",
    "Metric",
    "MultiProcessCollector",
    "add_observations",
    "generate_latest",
    "metrics_directory",
]
