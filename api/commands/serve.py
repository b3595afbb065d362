"""`python -m api serve`: the API's worker processes on granian, with one event loop each."""

import os
from urllib.parse import quote

from granian.constants import Interfaces, Loops

from api.commands.granian_patch import Server
from api.commands.ports import resolve
from api.config import Settings
from api.data_dir import runtime_directory
from api.process_environment import METRICS_DIR_VARIABLE, STOPPING_FILE_VARIABLE

_CONNECTIONS_MAX = 20_000
"""Open connections of one process. Browsers keep theirs between two polls; the default is 4,096 for all processes."""
_KILL_AFTER_S = 10
"""Time that a worker has to finish its requests after a stop signal, before it is killed."""


def serve(settings: Settings, database_url: str) -> int:
    """Serve until SIGTERM or SIGINT; return 0.

    `/health/ready` returns 503 from the signal on. The API accepts connections for another `shutdown_delay_ms`, in
    which load balancers notice the 503. It then finishes the requests in progress.
    """
    os.environ["DATABASE_URL"] = database_url  # Each worker reads the settings from the environment.
    name = f"api-{quote(settings.api_host, safe='')}-{settings.api_port}"
    with runtime_directory(settings.data_dir, name) as directory:
        metrics_dir, stopping_file = directory / "metrics", directory / "stopping"
        metrics_dir.mkdir()
        os.environ |= {METRICS_DIR_VARIABLE: str(metrics_dir), STOPPING_FILE_VARIABLE: str(stopping_file)}
        Server(
            "api.app:create_app",
            stopping_file=stopping_file,
            shutdown_delay_s=settings.shutdown_delay_ms / 1000,
            factory=True,
            address=resolve(settings.api_host),
            port=settings.api_port,
            interface=Interfaces.ASGI,
            loop=Loops.uvloop,
            workers=settings.api_workers,
            backlog=4096,
            backpressure=_CONNECTIONS_MAX,
            respawn_failed_workers=True,
            respawn_interval=0.5,
            workers_kill_timeout=_KILL_AFTER_S,
            log_access=False,
        ).serve()
    return 0
