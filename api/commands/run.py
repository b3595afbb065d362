"""`make run`: the whole system under one supervisor.

The supervisor starts PostgreSQL if `DATABASE_URL` is unset, prepares the database, and starts each of its services.
One Ctrl-C, SIGTERM or SIGHUP stops everything, at any moment. The supervisor restarts a part that ends by itself. A
part that fails repeatedly stops the system, because the other parts would fail with less clear errors.
"""

import contextlib
import functools
import os
import time
from collections.abc import Sequence

import psycopg

from api.commands import output
from api.commands.ports import PortVariable, check_ports, choose_ports
from api.commands.processes import WORKER, Process, ProcessEndedError, environment_of, services, wait_until_ready
from api.commands.seed import seed_if_empty
from api.commands.server_watch import ServerWatch, responds
from api.commands.signals import StopRequested, StopSignals, stop_signals
from api.commands.supervisor import Part, PartFailedError, Supervisor
from api.commands.worker_watch import WorkerWatch, read_ages
from api.config import Settings
from api.database.embedded import EmbeddedServer
from api.database.migrations import migrate
from api.database.roles import APPLICATION
from api.errors import SetupError

_POLL_S = 0.1
_DATABASE_CHECK_S = 1.0


def run(settings: Settings) -> int:
    """Run the system until a stop signal; return the exit code.

    Returns:
        0 after a stop signal, because `make` reports any other code as an error. 1 if a service ends during the start,
        if a part fails again after `RESTARTS_MAX` restarts within a minute, or if a part cannot restart.

    Raises:
        SetupError: the system cannot start. None of its processes is left running. The command line exits with 1.
        psycopg.Error: the database refused a statement of the start. The command line exits with 1.
    """
    settings = choose_ports(settings)
    own_ports: set[PortVariable] = {service.port for service in services(settings) if service.port}
    own_ports |= {"OPERATIONS_PORT"} if settings.operations_port else set()
    check_ports(settings, own_ports if settings.smtp_url else own_ports | {"MAILBOX_PORT"})
    with stop_signals() as signals, contextlib.ExitStack() as cleanup:
        try:
            with signals.interrupting():
                server, url, owner_url = _start_database(settings, signals, cleanup)
            with signals.interrupting():
                _prepare_database(owner_url)
            processes = _start_services(settings, url, signals, cleanup)
            with signals.interrupting():
                wait_until_ready(settings, processes)
            _print(_addresses(settings))
            supervisor = Supervisor(
                _parts(settings, server, processes, signals), _print, stop_requested=lambda: signals.stop_requested
            )
            while not signals.stop_requested:
                supervisor.check()
                time.sleep(_POLL_S)
        except StopRequested:
            pass
        except (ProcessEndedError, PartFailedError) as ended:
            _print(f"{ended} Stopping everything.")
            return 1
        _print("Stopping ...")
    return 0


class _Database:
    """The embedded server as a part of the system.

    The part has failed if the server and its watchdog have ended, or if the server's socket has no private path. It
    has also failed if the server did not respond after its restart.
    """

    name = "database"

    def __init__(self, server: EmbeddedServer, signals: StopSignals) -> None:
        self._server = server
        self._signals = signals
        self._next_check = 0.0
        self._failed_restart: str | None = None

    def failure(self) -> str | None:
        now = time.monotonic()
        if now < self._next_check:
            return None
        self._next_check = now + _DATABASE_CHECK_S
        if self._failed_restart:
            return self._failed_restart
        try:
            return None if self._server.keep_reachable() else "The database ended unexpectedly."
        except SetupError as error:
            return str(error)
        except OSError:  # The data directory was deleted. A stop signal must still work.
            return None

    def restart(self) -> None:
        self._failed_restart = None
        with self._signals.interrupting():  # A recovery may take minutes.
            try:
                self._server.start()
            except psycopg.OperationalError as error:  # The server has ended again, for example.
                self._failed_restart = f"The database does not respond: {str(error).strip()}."


def _start_database(
    settings: Settings, signals: StopSignals, cleanup: contextlib.ExitStack
) -> tuple[EmbeddedServer | None, str, str]:
    """Return the embedded server, if it is used, and the database's URLs for the application and for its owner."""
    if settings.database_url:
        return None, settings.database_url, settings.database_direct_url or settings.database_url
    _print(f"Starting PostgreSQL (data in {settings.data_dir}) ...")
    server = EmbeddedServer(settings.data_dir)
    # Registered before the start, which a signal may interrupt. Stopping a stopped server does nothing.
    cleanup.callback(lambda: server.stop("immediate" if signals.force else "fast"))
    server.start()
    server.ensure_database()
    return server, server.url(role=APPLICATION), server.url()


def _prepare_database(url: str) -> None:
    try:
        applied = migrate(url)
        tickets = seed_if_empty(url)
    except psycopg.OperationalError as error:
        raise SetupError(f"The database cannot be used: {str(error).strip()}") from error
    if applied:
        _print(f"Applied {len(applied)} migration(s), the last is {applied[-1]}.")
    if tickets:
        _print(f"Loaded the default events with {tickets} tickets.")


def _start_services(settings: Settings, url: str, signals: StopSignals, cleanup: contextlib.ExitStack) -> list[Process]:
    environment = os.environ | {
        "DATABASE_URL": url,
        "DATA_DIR": str(settings.data_dir.resolve()),
        "MAILBOX_PORT": str(settings.mailbox_port),
        "MAILBOX_WEB_PORT": str(settings.mailbox_web_port),
        "STAFF_PORT": str(settings.staff_port),
    }
    processes = []
    for service in services(settings):
        process = Process(service, environment_of(service, environment))
        cleanup.callback(process.stop, force=lambda: signals.force)
        processes.append(process)
    return processes


def _parts(
    settings: Settings, server: EmbeddedServer | None, processes: Sequence[Process], signals: StopSignals
) -> list[Part]:
    parts: list[Part] = [_Database(server, signals)] if server else []
    for process in processes:
        url = process.service.live_url or process.service.ready_url
        if process.service == WORKER:
            parts.append(WorkerWatch(process, functools.partial(read_ages, settings), settings.worker_silence_max_s))
        elif url:
            responds_now = functools.partial(responds, url(settings))
            parts.append(ServerWatch(process, responds_now, settings.server_silence_max_s))
    return parts


def _addresses(settings: Settings) -> str:
    mailbox = "" if settings.smtp_url else f"  Mailbox   http://localhost:{settings.mailbox_web_port}\n"
    return (
        "\n"
        f"  Web app   http://localhost:{settings.web_port}\n"
        f"  Staff     {settings.web_url}/staff\n"
        f"  API       http://localhost:{settings.api_port}\n"
        f"  API docs  http://localhost:{settings.api_port}/schema\n"
        f"{mailbox}"
        "\n"
        "  Stop with Ctrl-C\n"
    )


def _print(text: str) -> None:
    # A full disk below the output must not stop the system.
    with contextlib.suppress(OSError):
        output.write(f"{text}\n")
