"""The faults: each breaks a running system for a while, records itself in the history, and ends.

The tests repair nothing that the system must repair itself. `make api` restarts the API's processes, and the watchdog
restarts PostgreSQL. A supervisor restarts the API and the worker in production, so a fault restarts them here.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.faults.history import History
from tests.faults.target import (
    EmbeddedTarget,
    StackTarget,
    Target,
    accepts_connections,
    children_of,
    frozen,
    is_running,
    until,
)
from tests.stack import POLL_S
from tests.waiting import read_until

FROZEN_S = (0.5, 2.5)
"""Range of a freeze: shorter and longer than the timeouts of the components that wait, `SHORT_TIMEOUTS` included."""
DOWN_S = (0.2, 1.5)
"""Range of a server's downtime."""
NETWORK_FAULT_S = 1.5
"""Duration of a network fault."""
CUT_RATE = 0.03
DELAY_S = 0.2

T = TypeVar("T", bound=Target)
Fault = Callable[[T, History, random.Random], Awaitable[None]]
"""A fault of a kind of system. The random numbers decide its details."""


async def api_process_killed(target: StackTarget, history: History, rng: random.Random) -> None:
    """Kill one of the API's processes; the others continue to serve."""
    before = target.api_processes()
    with history.fault("API process killed", loses_responses=True):
        os.kill(rng.choice(before), signal.SIGKILL)
    await _until_restarted(target, before)


async def api_processes_killed(target: StackTarget, history: History, _: random.Random) -> None:
    """Kill all of the API's processes; their parent restarts them."""
    before = target.api_processes()
    with history.fault("all API processes killed", loses_responses=True):
        for pid in before:
            os.kill(pid, signal.SIGKILL)
    await _until_restarted(target, before)


async def _until_restarted(target: StackTarget, before: list[int]) -> None:
    await until(lambda: len(set(target.api_processes())) == len(before), "the API has all its processes again")


async def api_stopped(target: StackTarget, history: History, rng: random.Random) -> None:
    """Stop the API as an upgrade does, and start it again."""
    with history.fault("API stopped", loses_responses=True):
        await target.stack.stop_api()
        await asyncio.sleep(rng.uniform(*DOWN_S))
        await target.start_api()


async def api_killed(target: StackTarget, history: History, rng: random.Random) -> None:
    """Kill the API with the parent of its processes, and start it again."""
    with history.fault("API killed", loses_responses=True):
        await target.stack.stop_api(kill=True)
        await asyncio.sleep(rng.uniform(*DOWN_S))
        await target.start_api()


async def api_process_frozen(target: StackTarget, history: History, rng: random.Random) -> None:
    """Freeze one of the API's processes."""
    with history.fault("API process frozen", loses_responses=True), frozen(rng.choice(target.api_processes())):
        await asyncio.sleep(rng.uniform(*FROZEN_S))


async def database_crashed(target: EmbeddedTarget, history: History, rng: random.Random) -> None:
    """Stop the database immediately, as a crash does, and restart it."""
    with history.fault("database crashed"):
        await asyncio.to_thread(target.stack.stop_database, "immediate")
        await asyncio.sleep(rng.uniform(*DOWN_S))
        await asyncio.to_thread(target.stack.start_database)


async def database_stopped(target: EmbeddedTarget, history: History, _: random.Random) -> None:
    """Stop the database cleanly, as an operator does by mistake; its watchdog restarts it."""
    before = target.database_process()
    with history.fault("database stopped"):
        os.kill(before, signal.SIGINT)
        await until(lambda: not is_running(before), "the database ends")
        await until(lambda: accepts_connections(target.database_url), "the database restarts")


async def database_frozen(target: EmbeddedTarget, history: History, rng: random.Random) -> None:
    """Freeze all processes of the database, as a stalled machine does."""
    main = target.database_process()
    with history.fault("database frozen"), frozen(main), frozen(*children_of(main)):
        await asyncio.sleep(rng.uniform(*FROZEN_S))


async def backend_killed(target: EmbeddedTarget, history: History, rng: random.Random) -> None:
    """Kill one of the database's backends; PostgreSQL then ends all backends and recovers."""
    backend = await _choose_backend(target, rng)
    with history.fault("database process killed"):
        with contextlib.suppress(ProcessLookupError):  # The pool has closed the connection.
            os.kill(backend, signal.SIGKILL)
        await asyncio.sleep(POLL_S)
        await until(lambda: accepts_connections(target.database_url), "the database recovers")


async def backend_frozen(target: EmbeddedTarget, history: History, rng: random.Random) -> None:
    """Freeze one of the database's backends."""
    backend = await _choose_backend(target, rng)
    with history.fault("database process frozen"), frozen(backend):
        await asyncio.sleep(rng.uniform(*FROZEN_S))


async def _choose_backend(target: EmbeddedTarget, rng: random.Random) -> int:
    """Return the id of a backend. A system that reconnects after an earlier fault may have none for a moment."""
    return rng.choice(await read_until(lambda: asyncio.to_thread(target.backends), bool))


async def worker_killed(target: StackTarget, history: History, rng: random.Random) -> None:
    """Kill the worker and restart it."""
    with history.fault("worker killed"):
        await target.stack.stop_worker(kill=True)
        await asyncio.sleep(rng.uniform(*DOWN_S))
        await target.stack.start_worker()


async def worker_frozen(target: StackTarget, history: History, rng: random.Random) -> None:
    """Freeze the worker."""
    with history.fault("worker frozen"), frozen(target.stack.worker_process.pid):
        await asyncio.sleep(rng.uniform(*FROZEN_S))


async def provider_frozen(target: StackTarget, history: History, rng: random.Random) -> None:
    """Freeze the payment provider."""
    with history.fault("provider frozen"), frozen(*target.provider_processes()):
        await asyncio.sleep(rng.uniform(*FROZEN_S))


async def database_connections_cut(target: EmbeddedTarget, history: History, _: random.Random) -> None:
    """Cut the connections to the database repeatedly, at random points of the protocol."""
    with history.fault("database connections cut"):
        target.database_network.cut()
        target.database_network.cut_rate = CUT_RATE
        await asyncio.sleep(NETWORK_FAULT_S)
        target.database_network.mend()


async def database_responses_lost(target: EmbeddedTarget, history: History, _: random.Random) -> None:
    """Forward statements to the database, but cut the connection instead of forwarding a result."""
    with history.fault("database responses lost"):
        target.database_network.lose_responses()
        await asyncio.sleep(NETWORK_FAULT_S)
        target.database_network.mend()


async def database_network_slow(target: EmbeddedTarget, history: History, _: random.Random) -> None:
    """Delay all data between the API and the database by `DELAY_S`."""
    with history.fault("database network slow"):
        target.database_network.delay_s = DELAY_S
        await asyncio.sleep(NETWORK_FAULT_S)
        target.database_network.mend()


async def database_network_silent(target: EmbeddedTarget, history: History, rng: random.Random) -> None:
    """Hold back all data between the API and the database without closing a connection."""
    with history.fault("database network silent"):
        target.database_network.freeze()
        await asyncio.sleep(rng.uniform(*FROZEN_S))
        target.database_network.mend()


async def webhooks_cut(target: StackTarget, history: History, _: random.Random) -> None:
    """Lose the API's responses to webhooks, so that the provider sends them again."""
    with history.fault("webhooks cut"):
        target.webhook_network.lose_responses()
        await asyncio.sleep(NETWORK_FAULT_S)
        target.webhook_network.mend()


async def webhooks_silent(target: StackTarget, history: History, rng: random.Random) -> None:
    """Hold back all webhooks without closing a connection."""
    with history.fault("webhooks silent"):
        target.webhook_network.freeze()
        await asyncio.sleep(rng.uniform(*FROZEN_S))
        target.webhook_network.mend()


PROCESS_FAULTS: tuple[Fault[EmbeddedTarget], ...] = (
    api_process_killed,
    api_processes_killed,
    api_process_frozen,
    api_stopped,
    api_killed,
    database_crashed,
    database_stopped,
    database_frozen,
    backend_killed,
    backend_frozen,
)
NETWORK_FAULTS: tuple[Fault[EmbeddedTarget], ...] = (
    database_connections_cut,
    database_responses_lost,
    database_network_slow,
    database_network_silent,
)
ASYNC_FAULTS: tuple[Fault[StackTarget], ...] = (
    worker_killed,
    worker_frozen,
    provider_frozen,
    webhooks_cut,
    webhooks_silent,
)
"""The faults of components that only asynchronous payment uses."""


def faults_of(mode: str) -> tuple[Fault[EmbeddedTarget], ...]:
    """Return every fault of a system on an embedded server that applies to a payment mode."""
    return PROCESS_FAULTS + NETWORK_FAULTS + (ASYNC_FAULTS if mode == "async" else ())
