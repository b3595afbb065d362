"""The system's services and the supervised processes that run them."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec

from api.commands.ports import PortVariable
from api.config import Settings
from api.errors import SetupError
from api.tls import PLAIN_HTTP

ROOT = Path(__file__).parents[2]

READY_TIMEOUT_S = 120.0
"""The longest time from a process's start until its service is ready."""
STOP_GRACE_S = 15.0
"""Time from SIGTERM to SIGKILL for each process: the API finishes its requests in that time."""
GROUP_END_TIMEOUT_S = 2.0
"""Time for killed processes to end; zombies stay longer in a container without an init process."""
_POLL_S = 0.1
_HTTP_TIMEOUT_S = 2.0
_PR_SET_PDEATHSIG = 1


class Service(NamedTuple):
    """A service of the system, run by `python -m` with `arguments`."""

    name: str
    arguments: tuple[str, ...]
    port: PortVariable | None = None
    ready_url: Callable[[Settings], str] | None = None
    """Returns the URL that responds with success once the service is ready; None for a service without a server."""
    secrets: frozenset[str] = frozenset()
    """The variables of `SECRETS` that the service needs."""
    live_url: Callable[[Settings], str] | None = None
    """Returns the URL that responds with success while the service runs; None for `ready_url`."""


SECRETS = frozenset(
    {
        *("DATABASE_URL", "DATABASE_DIRECT_URL", "PAYMENT_WEBHOOK_SECRET", "TICKET_SECRET", "ACCESS_SECRET"),
        *("SESSION_SECRETS", "PROVIDER_URL", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS", "SMTP_URL"),
    }
)
"""Settings that contain a secret, or may contain a password."""
_SYSTEM_VARIABLES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)
_SYSTEM_PREFIXES = ("LC_", "PYTHON")
_DATABASE_PREFIXES = ("PG", "KRB5")
"""The variables of libpq and of Kerberos, with which libpq authenticates."""
_PROXY_VARIABLES = frozenset({"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
"""The variables of a proxy for requests to the payment provider, also in lower case. They may contain a password."""

WORKER = Service(
    "worker",
    ("api", "worker"),
    secrets=frozenset(
        {
            *("DATABASE_URL", "PROVIDER_URL", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS"),
            *("TICKET_SECRET", "ACCESS_SECRET", "SMTP_URL"),
        }
    ),
)
API = Service(
    "API",
    ("api", "serve"),
    "API_PORT",
    lambda settings: f"{settings.local_url(settings.api_port)}/health/ready",
    SECRETS - {"DATABASE_DIRECT_URL", "SMTP_URL"},
    lambda settings: f"{settings.local_url(settings.operations_port or settings.api_port)}/health/live",
)
_WEB_APP = Service(
    "web app",
    ("webapp",),
    "WEB_PORT",
    lambda settings: f"{settings.local_url(settings.web_port)}/",
)
_STAFF_PAGES = Service(
    "staff pages",
    ("webapp", "staff"),
    "STAFF_PORT",
    lambda settings: f"{settings.local_url(settings.staff_server_port)}/health/live",
)
_PAYMENT_SIMULATOR = Service(
    "payment simulator",
    ("api", "psp"),
    "PSP_PORT",
    lambda settings: f"http://127.0.0.1:{settings.psp_port}/health",
    frozenset({"PAYMENT_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRETS"}),
)
_MAILBOX = Service(
    "mailbox",
    ("api", "mailbox"),
    "MAILBOX_WEB_PORT",
    lambda settings: f"http://127.0.0.1:{settings.mailbox_ports[1]}/",
)


def services(settings: Settings) -> tuple[Service, ...]:
    """Return the system's services in the order of their start; they stop in the opposite order."""
    is_local = bool(settings.stripe_api_url) if settings.payment_provider == "stripe" else not settings.provider_url
    simulated = settings.payment_mode == "async" and is_local
    return (
        *((_PAYMENT_SIMULATOR,) if simulated else ()),
        *(() if settings.smtp_url else (_MAILBOX,)),
        WORKER,
        API,
        _WEB_APP,
        _STAFF_PAGES,
    )


def environment_of(service: Service, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that a service needs: system variables, settings and its own secrets.

    A service that a stranger has taken over then reveals no other service's secrets.
    """
    settings = {field.name.upper() for field in msgspec.structs.fields(Settings)} - SECRETS
    names = _SYSTEM_VARIABLES | settings | service.secrets
    if "PROVIDER_URL" in service.secrets:
        names |= _PROXY_VARIABLES | {name.lower() for name in _PROXY_VARIABLES}
    prefixes = (*_SYSTEM_PREFIXES, *_DATABASE_PREFIXES) if "DATABASE_URL" in service.secrets else _SYSTEM_PREFIXES
    return {name: value for name, value in environment.items() if name in names or name.startswith(prefixes)}


class Build(NamedTuple):
    """A checkout of the project, with the Python of an environment that has its dependencies."""

    directory: Path
    python: Path


PRESENT = Build(ROOT, Path(sys.executable))
"""The checkout and the Python of this process."""


class ProcessEndedError(Exception):
    """A process ended without a stop request."""


class Process:
    """A running service, in a session of its own, so that Ctrl-C reaches only the supervisor.

    Args:
        service: the service to run.
        environment: the complete environment of the process.
        output_fd: file descriptor for its output; None for the supervisor's own output.
        build: the checkout that runs the service.
    """

    def __init__(
        self, service: Service, environment: dict[str, str], output_fd: int | None = None, build: Build = PRESENT
    ) -> None:
        self.service = service
        self._build = build
        self._environment = environment
        self._output_fd = output_fd
        self._popen = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own modules
            [self._build.python, "-m", *self.service.arguments],
            cwd=self._build.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output_fd,
            stderr=self._output_fd,
            start_new_session=True,
            preexec_fn=end_with_parent(),  # noqa: PLW1509 - one system call, which takes no lock
        )

    @property
    def name(self) -> str:
        """Return the service's name."""
        return self.service.name

    @property
    def pid(self) -> int:
        """Return the id of the process, which is the leader of its group."""
        return self._popen.pid

    def failure(self) -> str | None:
        """Return a sentence with the exit code if the process has ended; None while it runs."""
        code = self._popen.poll()
        return None if code is None else f"The {self.name} ended unexpectedly with exit code {code}."

    def check_alive(self) -> None:
        """Raise `ProcessEndedError` if the process has ended."""
        if failure := self.failure():
            raise ProcessEndedError(failure)

    def restart(self) -> None:
        """Kill the rest of the process group, and start the service again."""
        self._kill_group()
        # Orphans hold the service's port until they have ended.
        deadline = time.monotonic() + GROUP_END_TIMEOUT_S
        while _group_exists(self._popen.pid) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        self._popen = self._start()

    def stop(self, *, force: Callable[[], bool]) -> None:
        """Terminate the process; kill its group after `STOP_GRACE_S`, or as soon as `force` returns True."""
        self._popen.terminate()
        deadline = time.monotonic() + STOP_GRACE_S
        while self._popen.poll() is None and time.monotonic() < deadline and not force():
            time.sleep(_POLL_S)
        self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # The group is empty.
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()


def _group_exists(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def end_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """Return a `preexec_fn` that ends a child with its parent, by a signal.

    Returns:
        The function; None except on Linux, which has a system call for it.
    """
    if sys.platform != "linux":
        return None
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl

    def request_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # The parent ended before the call.
            os._exit(1)

    return request_signal


def check_alive(processes: Collection[Process]) -> None:
    """Raise `ProcessEndedError` if one of the processes has ended."""
    for process in processes:
        process.check_alive()


def wait_until_ready(settings: Settings, processes: Collection[Process]) -> None:
    """Wait until each service that has a server is ready.

    Raises:
        ProcessEndedError: a process ended.
        SetupError: a service was not ready within `READY_TIMEOUT_S`.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    # A proxy from the environment cannot reach this machine's ports.
    with httpx.Client(trust_env=False, timeout=_HTTP_TIMEOUT_S, verify=PLAIN_HTTP) as client:
        for process in processes:
            service = process.service
            while service.ready_url and not _is_ready(client, service.ready_url(settings)):
                check_alive(processes)
                if time.monotonic() > deadline:
                    raise SetupError(f"The {service.name} did not respond within {READY_TIMEOUT_S:.0f} s.")
                time.sleep(_POLL_S)


def _is_ready(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False
