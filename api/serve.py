"""The API's processes: granian, one event loop each, restarted when one dies."""

import os
import tempfile

from granian.constants import Interfaces, Loops
from granian.server.mp import MPServer

from api.config import Settings

# Not imported from api.metrics: the library looks for the variable when it is imported.
DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_KILL_AFTER_S = 10
"""How long a process may take to finish its requests when it is told to stop."""


def serve(settings: Settings, database_url: str) -> int:
    """Serve until SIGTERM or SIGINT; return 0."""
    os.environ["DATABASE_URL"] = database_url  # The processes read their settings anew.
    with tempfile.TemporaryDirectory(prefix="tickets-metrics-") as directory:
        os.environ[DIRECTORY_VARIABLE] = directory
        _server(settings).serve()
    return 0


def _server(settings: Settings) -> MPServer:
    return MPServer(
        "api.app:create_app",
        factory=True,
        address=settings.api_host,
        port=settings.api_port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=settings.api_workers,
        backlog=4096,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=_KILL_AFTER_S,
        log_access=False,
    )
