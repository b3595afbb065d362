"""`python -m api serve`: the API's processes on uvicorn, with one event loop each."""

import contextlib
import importlib
import os
import signal
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from api.commands.forked_processes import ForkedProcesses
from api.commands.ports import resolve
from api.config import Settings
from api.data_dir import runtime_directory
from api.process_environment import METRICS_DIR_VARIABLE, STOPPING_FILE_VARIABLE
from api.server.sockets import open_listener, possible_connections
from api.server.uvicorn_patch import Port, Server

_OTHER_FILES_MAX = 500
"""Open files of one process that are no buyers' connections."""
_OPERATIONS_CONNECTIONS_MAX = 64
"""Open connections of one process to the port of operations."""


def serve(settings: Settings, database_url: str) -> int:
    """Serve until SIGTERM or SIGINT; return 0, or 1 if the processes keep failing.

    `/health/ready` returns 503 from the signal on. The API accepts connections for another `shutdown_delay_ms`, in
    which load balancers notice the 503. It then finishes the requests in progress.
    """
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
        app_module = importlib.import_module("api.app")
        ports = [settings.api_port, *([settings.operations_port] if settings.operations_port else [])]
        listeners = [
            opened.enter_context(open_listener(address, port, write_timeout_ms=settings.write_timeout_ms))
            for port in ports
        ]
        return ForkedProcesses(
            lambda: _run(app_module, settings, listeners),
            settings.api_workers,
            on_stop=lambda: _announce_stop(stopping_file),
            stop_delay_s=settings.shutdown_delay_ms / 1000,
            on_end=opened.close,  # Connections that no process accepts are then refused.
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
            )
            for listener, app, connections_max in zip(listeners, apps, limits, strict=False)
        ]
    )

    def stop(*_: Any) -> None:
        # Without a connection the process has nothing to finish.
        if not server.started:
            os._exit(0)
        server.stop()

    signal.signal(signal.SIGTERM, stop)
    server.run()
