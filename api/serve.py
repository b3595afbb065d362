"""The API's processes: granian, one event loop each, restarted when one dies."""

import os

from granian.constants import Interfaces, Loops
from granian.server import Server

from api.config import Settings

_KILL_AFTER_S = 10
"""How long a process may take to finish its requests when it is told to stop."""


def serve(settings: Settings, database_url: str) -> int:
    """Serve until SIGTERM or SIGINT; return 0."""
    os.environ["DATABASE_URL"] = database_url  # The processes read their settings anew.
    Server(
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
    ).serve()
    return 0
