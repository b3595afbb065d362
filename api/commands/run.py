"""`make run`: the whole system under one supervisor.

Starts PostgreSQL if `DATABASE_URL` is unset, prepares the database, starts each of its `parts` and waits
until they answer. One Ctrl-C, SIGTERM or SIGHUP stops all of it, at whatever moment it comes; a process that
ends by itself does too, because half a system would only fail later and less clearly.
"""

import contextlib
import ctypes
import errno
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Literal, NamedTuple

import httpx
import psycopg

from api.commands.seed import seed_if_empty
from api.config import Settings
from api.database.embedded import EmbeddedServer
from api.database.migrations import migrate
from api.errors import SetupError

ROOT = Path(__file__).parents[2]

READY_TIMEOUT_S = 120.0
STOP_GRACE_S = 15.0
"""From SIGTERM to SIGKILL for each process: the API finishes its requests meanwhile."""
HURRY_AFTER_S = 1.0
"""A repeated signal within this time is the same wish, delivered twice (a terminal's and a wrapper's)."""
POLL_S = 0.1
ANSWER_TIMEOUT_S = 2.0

_PR_SET_PDEATHSIG = 1


PortVariable = Literal["API_PORT", "WEB_PORT", "PSP_PORT"]


class Part(NamedTuple):
    """One process of the system: `python -m` with these arguments; `ready`: the address that must answer."""

    name: str
    arguments: tuple[str, ...]
    ready: Callable[[Settings], str] | None = None


_PROVIDER = Part("payment simulator", ("api", "psp"), lambda settings: f"http://127.0.0.1:{settings.psp_port}/health")
_PARTS = (
    Part("worker", ("api", "worker")),
    Part("API", ("api", "serve"), lambda settings: f"{settings.local_url(settings.api_port)}/health/ready"),
    Part("web app", ("webapp",), lambda settings: f"{settings.local_url(settings.web_port)}/"),
)


def parts(settings: Settings) -> tuple[Part, ...]:
    """Return the system's processes in the order of their start; they stop in the opposite one."""
    simulated = settings.payment_mode == "async" and not settings.provider_url
    return (_PROVIDER, *_PARTS) if simulated else _PARTS


class StopRequested(KeyboardInterrupt):
    """Someone asked us to stop. psycopg cancels a running statement on KeyboardInterrupt, hence the base."""


def run(settings: Settings) -> int:
    """Run the system until it is asked to stop; return the exit code.

    0 after a stop that was asked for, which is how this command is meant to end: `make` would otherwise
    report an error after every Ctrl-C. 1 after a process ended by itself.

    Raises:
        SetupError: the system cannot start; nothing of it is left running.
    """
    check_ports(settings)
    with stop_signals() as signals, contextlib.ExitStack() as cleanup:
        try:
            with signals.interrupting():
                url = _start_database(settings, signals, cleanup)
            with signals.interrupting():
                _prepare_database(url)
            children = _start_children(settings, url, signals, cleanup)
            with signals.interrupting():
                wait_until_ready(settings, children)
            _say(_addresses(settings))
            while not signals.stop_requested:
                _check_alive(children)
                time.sleep(POLL_S)
        except StopRequested:
            pass
        except PartEndedError as ended:
            _say(f"{ended} Stopping everything.")
            return 1
        _say("Stopping ...")
    return 0


# --- Before the start ------------------------------------------------------------------------------------


def check_ports(settings: Settings) -> None:
    """Refuse to start on a port that is taken, before anything is started.

    Raises:
        SetupError: names the port, its variable and another port that is free.
    """
    variables: tuple[PortVariable, ...] = ("API_PORT", "WEB_PORT")
    if _PROVIDER in parts(settings):
        variables += ("PSP_PORT",)
    for first, second in itertools.combinations(variables, 2):
        port = _port(settings, first)
        if port == _port(settings, second):
            used = {_port(settings, variable) for variable in variables}
            other = next(candidate for candidate in _ports_after(port) if candidate not in used)
            raise SetupError(f"{first} and {second} are both {port}: choose another with {second}={other}.")
    for variable in variables:
        check_port(settings, variable)


def check_port(settings: Settings, variable: PortVariable) -> None:
    """Refuse to start a server on a port that is taken.

    Raises:
        SetupError: names the port, its variable and another port that is free.
    """
    port = _port(settings, variable)
    # Browsers look for `localhost` at ::1 first: another program there would answer in our place.
    hosts = ("127.0.0.1",) if variable == "PSP_PORT" else (settings.api_host, "::1")
    try:
        taken = not _is_free(port, hosts)
    except PermissionError:
        raise SetupError(
            f"Port {port} needs more rights than this user has: choose one above 1023 with {variable}."
        ) from None
    except OSError as error:
        raise SetupError(f"API_HOST={settings.api_host!r} is no address of this machine ({error.strerror}).") from error
    if taken:
        raise SetupError(
            f"Port {port} is taken: stop the program that uses it, or choose another with "
            f"{variable}={free_port(port, hosts)}."
        )


def _port(settings: Settings, variable: PortVariable) -> int:
    return {"API_PORT": settings.api_port, "WEB_PORT": settings.web_port, "PSP_PORT": settings.psp_port}[variable]


def _is_free(port: int, hosts: tuple[str, ...]) -> bool:
    for host in hosts:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: a port whose last connections are only waiting to expire is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
                if host != "::1":  # a machine without IPv6 is fine
                    raise
    return True


def free_port(after: int, hosts: tuple[str, ...]) -> int:
    """Return the next port after this one on which nobody listens."""
    return next(port for port in _ports_after(after) if _is_free(port, hosts))


def _ports_after(port: int) -> Iterator[int]:
    return itertools.chain(range(port + 1, 65_536), range(1024, port))


# --- Signals ---------------------------------------------------------------------------------------------


class Signals:
    """What has been asked of us. While `interrupting`, a request interrupts whatever is being waited for."""

    def __init__(self) -> None:
        self._first_at: float | None = None
        self._interrupting = False
        self.force = False

    @property
    def stop_requested(self) -> bool:
        """Whether someone asked us to stop."""
        return self._first_at is not None

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let the first request raise `StopRequested`, also one that came before.

        Where it meets a destructor or a weak reference's callback, of which Python keeps every exception
        back, it is raised at the end of the context instead.
        """
        hook = sys.unraisablehook
        sys.unraisablehook = lambda kept: None if isinstance(kept.exc_value, StopRequested) else hook(kept)
        self._interrupting = True
        try:
            if self.stop_requested:
                raise StopRequested
            yield
            if self.stop_requested:
                raise StopRequested
        finally:
            self._interrupting = False
            sys.unraisablehook = hook

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Note a request; the handler of each stop signal."""
        now = time.monotonic()
        if self._first_at is None:
            self._first_at = now
            # Only the first one raises: a second would interrupt the clean-up after it.
            if self._interrupting:
                raise StopRequested
        elif now > self._first_at + HURRY_AFTER_S:
            self.force = True


@contextlib.contextmanager
def stop_signals() -> Iterator[Signals]:
    """Take SIGINT, SIGTERM and SIGHUP for a wish to stop while the context lasts."""
    signals = Signals()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]  # started with nohup: the terminal's end is no reason to stop
    for number in before:
        signal.signal(number, signals.handle)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --- The database ----------------------------------------------------------------------------------------


def _start_database(settings: Settings, signals: Signals, cleanup: contextlib.ExitStack) -> str:
    if settings.database_url:
        return settings.database_url
    _say(f"Starting PostgreSQL (data in {settings.data_dir}) ...")
    server = EmbeddedServer(settings.data_dir)
    # Before the start: an interrupted start has cleaned up, and stopping it once more does nothing.
    cleanup.callback(lambda: server.stop("immediate" if signals.force else "fast"))
    server.start()
    server.ensure_database()
    return server.url()


def _prepare_database(url: str) -> None:
    try:
        applied = migrate(url)
        made = seed_if_empty(url)
    except psycopg.OperationalError as error:
        raise SetupError(f"The database cannot be used: {str(error).strip()}") from error
    if applied:
        _say(f"Applied {len(applied)} migration(s), the last is {applied[-1]}.")
    if made:
        _say(f"Loaded the default events with {made} tickets.")


# --- The processes ---------------------------------------------------------------------------------------


class PartEndedError(Exception):
    """A process ended although nobody asked it to."""


class Child:
    """A running part of the system, in a session of its own: Ctrl-C reaches only the supervisor.

    `output_fd`: where it writes to, None: to our own output.
    """

    def __init__(self, part: Part, environment: dict[str, str], output_fd: int | None = None) -> None:
        self.part = part
        self._process = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, "-m", *part.arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output_fd,
            stderr=output_fd,
            start_new_session=True,
            preexec_fn=end_with(os.getpid()),  # noqa: PLW1509 - one system call, which takes no lock
        )

    @property
    def pid(self) -> int:
        """Its process id; its own children are not among it."""
        return self._process.pid

    def check_alive(self) -> None:
        """Raise `PartEndedError` if it ended by itself."""
        code = self._process.poll()
        if code is not None:
            raise PartEndedError(f"The {self.part.name} ended unexpectedly with exit code {code}.")

    def stop(self, *, force: Callable[[], bool]) -> None:
        """Ask it to end, then end it by force; what it left behind of its own processes with it."""
        self._process.terminate()
        deadline = time.monotonic() + STOP_GRACE_S
        while self._process.poll() is None and time.monotonic() < deadline and not force():
            time.sleep(POLL_S)
        with contextlib.suppress(ProcessLookupError):  # nothing is left of its group
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def end_with(supervisor: int) -> Callable[[], None] | None:
    """Make a child end with us, however we end; on Linux, which alone has a system call for that."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != supervisor:  # gone before the call
            os._exit(1)

    return tie


def _start_children(settings: Settings, url: str, signals: Signals, cleanup: contextlib.ExitStack) -> list[Child]:
    environment = os.environ | {"DATABASE_URL": url, "DATA_DIR": str(settings.data_dir.resolve())}
    children = []
    for part in parts(settings):
        child = Child(part, environment)
        cleanup.callback(child.stop, force=lambda: signals.force)
        children.append(child)
    return children


def wait_until_ready(settings: Settings, children: list[Child]) -> None:
    """Return when each child answers that can be asked.

    Raises:
        PartEndedError: one of them ended.
        SetupError: one did not answer in `READY_TIMEOUT_S`.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    # Without the environment's proxies, which know nothing of this machine's ports.
    with httpx.Client(trust_env=False, timeout=ANSWER_TIMEOUT_S) as client:
        for child in children:
            while child.part.ready and not _answers(client, child.part.ready(settings)):
                _check_alive(children)
                if time.monotonic() > deadline:
                    raise SetupError(f"The {child.part.name} did not answer in {READY_TIMEOUT_S:.0f} s.")
                time.sleep(POLL_S)


def _check_alive(children: list[Child]) -> None:
    for child in children:
        child.check_alive()


def _answers(client: httpx.Client, address: str) -> bool:
    try:
        return client.get(address).is_success
    except httpx.TransportError:
        return False


# --- Words -----------------------------------------------------------------------------------------------


def _addresses(settings: Settings) -> str:
    return (
        "\n"
        f"  Web app   http://localhost:{settings.web_port}\n"
        f"  API       http://localhost:{settings.api_port}\n"
        f"  API docs  http://localhost:{settings.api_port}/schema\n"
        "\n"
        "  Stop with Ctrl-C\n"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
