"""The system under test, with breakable networks and access to its processes."""

import abc
import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import httpx
import msgspec
import psycopg

from api.database.embedded import PORT, EmbeddedServer
from api.database.roles import APPLICATION
from tests.faults.evidence import Charge
from tests.faulty_proxy import FaultyProxy
from tests.stack import (
    HTTP_TIMEOUT_S,
    PLAIN_HTTP,
    POLL_S,
    READY_TIMEOUT_S,
    ROOT,
    TEMPLATE,
    Stack,
    embedded_server,
    prepare_template,
    temporary_directory,
)

MODES: Mapping[str, Mapping[str, str]] = {
    "inline": {"PAYMENT_MODE": "inline"},
    # An unreliable provider, and holds short enough that some expire before the payment arrives.
    "async": {
        "PAYMENT_MODE": "async",
        "HOLD_SECONDS": "2",
        "HELD_TICKETS_PER_ADDRESS": "0",  # All buyers have the address of this machine.
        "PAYMENT_CHECK_AFTER_MS": "1000",
        "PROVIDER_BREAKER_RESET_MS": "500",
        "PSP_DELAY_MS": "300",
        "PSP_DUPLICATE_RATE": "0.1",
        "PSP_REORDER_RATE": "0.1",
        "PSP_LOSS_RATE": "0.1",
    },
}
"""The settings of each payment mode."""
SHORT_TIMEOUTS: Mapping[str, str] = {"STATEMENT_TIMEOUT_MS": "1000", "DB_ROUND_TRIP_MAX_MS": "1500"}
"""Limits of a silent database that a fault of a few seconds exceeds."""
IDLE_MAX_S = 60.0
"""Upper bound on the time from the last fault until the system is idle."""

_OPEN = """
    select
        exists (select from webhooks where processed_at is null)
        or exists (select from refunds where status in ('requested', 'pending'))
        or exists (select from cancellations where finished_at is null)
        or exists (select from messages where next_attempt_at <= now())
"""
"""True while work is open that is no payment. A message whose worker was killed is due later."""


class Target(abc.ABC):
    """A running system in a payment mode."""

    def __init__(self, mode: str, api_port: int, simulator_url: str) -> None:
        self.mode = mode
        self.api_port = api_port
        self.simulator_url = simulator_url

    @property
    @abc.abstractmethod
    def database_url(self) -> str:
        """The URL of the database for its owner, past every breakable network."""

    @abc.abstractmethod
    def logs(self) -> str:
        """Return the output of all processes so far."""

    def charges(self) -> list[Charge] | None:
        """Return the provider's charges; None without a provider."""
        if self.mode == "inline":
            return None
        response = httpx.get(
            f"{self.simulator_url}/charges", timeout=HTTP_TIMEOUT_S, trust_env=False, verify=PLAIN_HTTP
        )
        return msgspec.json.decode(response.content, type=list[Charge])

    async def until_idle(self) -> None:
        """Wait until no hold, payment, webhook or charge is open. The checker reports the rest after `IDLE_MAX_S`."""
        deadline = time.monotonic() + IDLE_MAX_S
        while not await asyncio.to_thread(self._is_idle):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(POLL_S)

    def _is_idle(self) -> bool:
        with psycopg.connect(self.database_url) as conn:
            rows = conn.execute(
                "select reference, payments.status, orders.status = 'pending' from orders"
                " join payments on payments.order_id = orders.id"
            ).fetchall()
            is_open = conn.execute(_OPEN).fetchone() == (True,)
        if is_open or any(pending or payment in {"pending", "refunding"} for _, payment, pending in rows):
            return False
        charged = {charge.reference for charge in self.charges() or () if charge.status in {"captured", "processing"}}
        return self.mode == "inline" or charged == {
            reference for reference, payment, _ in rows if payment == "captured"
        }


class StackTarget(Target):
    """A system whose processes the tests start, and restart as a supervisor does in production."""

    def __init__(self, mode: str, stack: Stack, webhook_network: FaultyProxy) -> None:
        super().__init__(mode, stack.api_port, stack.simulator_url)
        self.stack = stack
        self.webhook_network = webhook_network
        """Between the payment provider and the API."""

    def logs(self) -> str:
        return self.stack.logs()

    def api_processes(self) -> list[int]:
        """Return the API's serving processes, without their parent."""
        return children_of(self.stack.api_process.pid)

    def provider_processes(self) -> list[int]:
        """Return the provider's serving processes, without their parent."""
        return children_of(self.stack.simulator_process.pid)

    async def start(self) -> None:
        """Start all processes that the payment mode needs."""
        await self.start_api()
        if self.mode == "async":
            await asyncio.to_thread(asyncio.run, self.stack.start_payment_simulator())
            await self.stack.start_worker()

    async def start_api(self, *, ready: bool = True) -> None:
        """Start the API; wait until it is ready, or until it runs.

        The API needs the proxies of this event loop to start, so a thread waits for it.
        """
        await asyncio.to_thread(asyncio.run, self.stack.start_api(ready=ready))


class EmbeddedTarget(StackTarget):
    """A system on an embedded server of its own, behind a breakable network."""

    def __init__(
        self, mode: str, stack: Stack, webhook_network: FaultyProxy, database_network: FaultyProxy, database_url: str
    ) -> None:
        super().__init__(mode, stack, webhook_network)
        self.database_network = database_network
        """Between the API or worker and the database."""
        self._database_url = database_url

    @property
    def database_url(self) -> str:
        return self._database_url

    def database_process(self) -> int:
        """Return the database's main process."""
        assert self.stack.private_server
        pid = self.stack.private_server.pid
        assert pid
        return pid

    def backends(self) -> list[int]:
        """Return the database's backends that serve the system."""
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            rows = conn.execute(
                "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                " and application_name = 'tickets-api'"
            ).fetchall()
        return [pid for (pid,) in rows]


@contextlib.asynccontextmanager
async def running_target(
    mode: str,
    environment: Mapping[str, str] | None = None,
    server: EmbeddedServer | None = None,
    source: Path = ROOT,
) -> AsyncIterator[EmbeddedTarget]:
    """Run the system in a payment mode, with all its processes, on a database server of its own or the given one."""
    async with contextlib.AsyncExitStack() as resources:
        server = server or resources.enter_context(embedded_server())
        prepare_template(server)
        directory = resources.enter_context(temporary_directory())
        database_network = await resources.enter_async_context(FaultyProxy(server.cluster / f".s.PGSQL.{PORT}"))
        url = f"postgresql://{APPLICATION}@127.0.0.1:{database_network.port}/{TEMPLATE}?sslmode=disable&gssencmode=disable"
        stack = Stack(
            server.url(TEMPLATE),
            directory,
            {"API_WORKERS": "2", **SHORT_TIMEOUTS, **MODES[mode], **(environment or {})},
            source,
        )
        stack.private_server = server
        webhook_network = await resources.enter_async_context(FaultyProxy(stack.api_port))
        stack.environment |= {
            "DATABASE_URL": url,
            "PSP_WEBHOOK_URL": f"http://127.0.0.1:{webhook_network.port}/api/payments/webhook",
        }
        try:
            target = EmbeddedTarget(mode, stack, webhook_network, database_network, server.url(TEMPLATE))
            await target.start()
            yield target
        finally:
            database_network.mend()
            webhook_network.mend()
            await stack.stop()


def children_of(pid: int) -> list[int]:
    """Return the running child processes of a process. Works on Linux only."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            _, _, rest = (process / "stat").read_text().rpartition(") ")
            state, parent = rest.split()[:2]
            tracker = b"resource_tracker" in (process / "cmdline").read_bytes()
            if int(parent) == pid and state != "Z" and not tracker:
                found.append(int(process.name))
    return sorted(found)


def is_running(pid: int) -> bool:
    """Return True if a process exists and has not ended. Works on Linux only."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Stop processes with SIGSTOP for the duration of the context."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # A server's child may end at any time.
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # Killed in the meantime.
                os.kill(pid, signal.SIGCONT)


def accepts_connections(database_url: str) -> bool:
    """Return True if a database accepts connections."""
    try:
        psycopg.connect(database_url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


async def until(condition: Callable[[], bool], description: str) -> None:
    """Wait until a condition holds; fail with its description after `READY_TIMEOUT_S`."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"not within {READY_TIMEOUT_S:.0f} s: {description}"
        await asyncio.sleep(POLL_S)
