"""`python -m api serve`: the API's worker processes on granian, with one event loop each."""

import importlib
import logging
import os
import resource
from urllib.parse import quote

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings

from api.commands.granian_patch import Server
from api.commands.ports import resolve
from api.config import Settings
from api.data_dir import runtime_directory
from api.logs import GRANIAN_LOGGING
from api.process_environment import METRICS_DIR_VARIABLE, STOPPING_FILE_VARIABLE

_log = logging.getLogger(__name__)

_HEADERS_BYTES_MAX = 65_536
"""Memory of one connection for the headers of a request; 400 kB is granian's default."""
_OTHER_FILES_MAX = 500
"""Open files of one process that are no buyers' connections."""
_CONNECTIONS_MIN = 10
"""The least value of `CONNECTIONS_MAX`."""
_KILL_AFTER_S = 10
"""Time that a worker has to finish its requests after a stop signal, before it is killed."""


def serve(settings: Settings, database_url: str) -> int:
    """Serve until SIGTERM or SIGINT; return 0.

    `/health/ready` returns 503 from the signal on. The API accepts connections for another `shutdown_delay_ms`, in
    which load balancers notice the 503. It then finishes the requests in progress.
    """
    address = resolve(settings.api_host)
    connections_max = possible_connections(settings.connections_max)
    # Each worker reads them from the environment.
    os.environ |= {"DATABASE_URL": database_url, "API_HOST": address, "CONNECTIONS_MAX": str(connections_max)}
    name = f"api-{quote(settings.api_host, safe='')}-{settings.api_port}"
    with runtime_directory(settings.data_dir, name) as directory:
        metrics_dir, stopping_file = directory / "metrics", directory / "stopping"
        metrics_dir.mkdir()
        os.environ |= {METRICS_DIR_VARIABLE: str(metrics_dir), STOPPING_FILE_VARIABLE: str(stopping_file)}
        # A worker is a fork of this process, so it starts with the modules that this process has loaded. The import has
        # to follow the variables above, because prometheus_client reads the directory of the counters at its import.
        importlib.import_module("api.app")
        Server(
            "api.app:create_app",
            stopping_file=stopping_file,
            shutdown_delay_s=settings.shutdown_delay_ms / 1000,
            factory=True,
            address=address,
            port=settings.api_port,
            interface=Interfaces.ASGI,
            loop=Loops.uvloop,
            workers=settings.api_workers,
            backlog=4096,
            backpressure=connections_max,
            http=HTTPModes.http1,  # The timeout of the headers does not apply before the version is known.
            http1_settings=HTTP1Settings(
                header_read_timeout=settings.header_timeout_ms, max_buffer_size=_HEADERS_BYTES_MAX
            ),
            websockets=False,
            respawn_failed_workers=True,
            respawn_interval=0.5,
            workers_kill_timeout=_KILL_AFTER_S,
            log_access=False,
            log_dictconfig=GRANIAN_LOGGING,
        ).serve()
    return 0


def possible_connections(wanted: int) -> int:
    """Raise this process's limit of open files as far as allowed; return the number of connections that it admits.

    A server that accepts more connections than that fails at every further one, in a busy loop. `webapp/serve.py` has a
    function of its own for the web server, because the API and the web app do not import each other.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = wanted + _OTHER_FILES_MAX
    if soft != resource.RLIM_INFINITY and soft < files:
        soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= files:
        return wanted
    possible = max(_CONNECTIONS_MIN, soft - _OTHER_FILES_MAX)
    _log.warning(
        "CONNECTIONS_MAX=%d and %d files for other purposes exceed the limit of %d open files: serving %d connections",
        wanted,
        _OTHER_FILES_MAX,
        soft,
        possible,
    )
    return possible
