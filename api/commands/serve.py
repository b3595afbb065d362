"""`python -m api serve`: the API's processes on uvicorn, with one event loop each."""

import contextlib
import gc
import importlib
import logging
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from api.commands.forked_processes import KILL_AFTER_S, STOP_SIGNAL, ForkedProcesses, limit_stop
from api.commands.ports import resolve
from api.config import Settings
from api.data_dir import runtime_directory
from api.process_environment import METRICS_DIR_VARIABLE, STOPPING_FILE_VARIABLE
from api.server.sockets import open_listener, possible_connections
from api.server.uvicorn_patch import LimitedProtocol, Port, Server

_log = logging.getLogger(__name__)

_OTHER_FILES_MAX = 500
"""Open files of one process other than client connections."""
_OPERATIONS_CONNECTIONS_MAX = 64
"""Open connections of one process to the port of operations."""
_FINISH_WITHIN_S = int(KILL_AFTER_S) - 2
"""Time for requests in progress after `STOP_SIGNAL`. The rest until the kill is for the end of the lifespan."""


def serve(settings: Settings, database_url: str) -> int:
    """Serve until SIGTERM or SIGINT; return 0, or 1 if the processes keep failing.

    `/health/ready` returns 503 from the signal on. The API accepts connections for another `shutdown_delay_ms`, in
    which load balancers notice the 503. It then finishes the requests in progress.
    """
    # The embedded server's thread only waits for the watchdog. The application must start no thread before the forks.
    threads_max = threading.active_count()
    address = resolve(settings.api_host)
    name = f"api-{quote(settings.api_host, safe='')}-{settings.api_port}"
    settings = msgspec.structs.replace(
        settings,
        database_url=database_url,
        api_host=address,
        connections_max=possible_connections(settings.connections_max, other_files=_OTHER_FILES_MAX),
    )
    with runtime_directory(settings.data_dir, name) as directory, contextlib.ExitStack() as opened:
        metrics_dir, stopping_file = directory / "metrics", directory / "stopping"
        metrics_dir.mkdir()
        os.environ |= {METRICS_DIR_VARIABLE: str(metrics_dir), STOPPING_FILE_VARIABLE: str(stopping_file)}
        # A process is a fork of this one, so it starts with the modules that this process has loaded. The import has to
        # follow the variables above, because prometheus_client reads the directory of the counters at its import.
        gc.disable()  # Modules are no garbage, so that collections would only slow their import down.
        app_module = importlib.import_module("api.app")
        gc.freeze()  # Otherwise each collection in a fork would copy the pages of these modules.
        gc.enable()
        ports = [settings.api_port, *([settings.operations_port] if settings.operations_port else [])]
        listeners = [
            opened.enter_context(open_listener(address, port, write_timeout_ms=settings.write_timeout_ms))
            for port in ports
        ]
        count = settings.api_workers
        shown = f"[{address}]" if ":" in address else address
        _log.info("Serving on %s:%d with %d process%s", shown, settings.api_port, count, "" if count == 1 else "es")
        return ForkedProcesses(
            lambda: _run(app_module, settings, listeners),
            count,
            on_stop=lambda: _announce_stop(stopping_file),
            stop_delay_s=settings.shutdown_delay_ms / 1000,
            on_end=opened.close,  # Connections that no process accepts are then refused.
            threads_max=threads_max,
        ).supervise()


def _announce_stop(stopping_file: Path) -> None:
    with contextlib.suppress(OSError):  # A full disk must not prevent the shutdown.
        stopping_file.parent.mkdir(parents=True, exist_ok=True)
        stopping_file.touch()


def _run(app_module: Any, settings: Settings, listeners: list[socket.socket]) -> None:
    """Serve the API, and the port of operations if there is one, in one process."""
    main_app = app_module.create_app(settings)
    apps = [main_app, app_module.create_operations_app(main_app.app.state)]
    limits = [settings.connections_max, _OPERATIONS_CONNECTIONS_MAX]
    protocols = [app_module.protocol_of(main_app), LimitedProtocol]
    refusals = app_module.connection_refusals()
    server = Server(
        [
            Port(
                listener,
                app,
                connections_max=connections_max,
                header_timeout_s=settings.header_timeout_ms / 1000,
                silence_min_s=settings.response_max_s,
                refusals=refusals,
                protocol=protocol,
            )
            for listener, app, connections_max, protocol in zip(listeners, apps, limits, protocols, strict=False)
        ],
        finish_within_s=_FINISH_WITHIN_S,
    )

    def stop(*_: Any) -> None:
        # Without a connection the process has nothing to finish.
        if not server.started:
            os._exit(0)
        limit_stop()
        server.stop()

    signal.signal(STOP_SIGNAL, stop)
    server.run()
