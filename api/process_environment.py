"""Environment variables through which the API's supervisor configures its worker processes.

`api.commands.serve` sets them before it starts the workers. They are no settings: an operator never sets them.
"""

import os
from pathlib import Path

METRICS_DIR_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the directory in which the workers keep their counters. prometheus_client reads it when it is imported."""
STOPPING_FILE_VARIABLE = "TICKETS_STOPPING_FILE"
"""Names the file that the supervisor creates when it receives a stop signal, which the workers do not receive."""


def is_stopping() -> bool:
    """Return True from the moment that the supervisor begins its shutdown."""
    path = os.environ.get(STOPPING_FILE_VARIABLE)
    return path is not None and Path(path).exists()
