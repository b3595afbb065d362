"""The faults: each is done to a running system for a while, noted in its history, and gone at its end.

Nobody helps the system back on its feet but those who do so in its life: granian starts its processes anew, whoever
runs the worker starts that, and PostgreSQL recovers when it is started.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable

from tests.faults.history import History
from tests.faults.target import Target, accepts, frozen, until
from tests.stack import POLL_S

FROZEN_S = (0.5, 2.5)
"""How long a process or a network stands still: shorter and longer than what waits for it."""
AWAY_S = (0.2, 1.5)
"""How long a server stays away."""
ROUGH_S = 1.5
"""How long a network stays rough."""
CUT_RATE = 0.03
DELAY_S = 0.2

Fault = Callable[[Target, History, random.Random], Awaitable[None]]


async def api_process_killed(target: Target, history: History, chance: random.Random) -> None:
    """SIGKILL of one of the API's processes; the others serve on."""
    before = target.api_processes()
    with history.fault("API process killed", unanswered=True):
        os.kill(chance.choice(before), signal.SIGKILL)
    await _all_back(target, before)


async def api_processes_killed(target: Target, history: History, _: random.Random) -> None:
    """SIGKILL of all of the API's processes; their parent starts others."""
    before = target.api_processes()
    with history.fault("all API processes killed", unanswered=True):
        for pid in before:
            os.kill(pid, signal.SIGKILL)
    await _all_back(target, before)


async def _all_back(target: Target, before: list[int]) -> None:
    def back() -> bool:
        return len(set(target.api_processes())) == len(before)

    await until(back, "the API has all its processes again")


async def api_process_frozen(target: Target, history: History, chance: random.Random) -> None:
    """SIGSTOP of one of the API's processes for a while."""
    with history.fault("API process frozen", unanswered=True), frozen(chance.choice(target.api_processes())):
        await asyncio.sleep(chance.uniform(*FROZEN_S))


async def database_crashed(target: Target, history: History, chance: random.Random) -> None:
    """The database stops at once, as in a crash, and is started again."""
    with history.fault("database crashed"):
        await asyncio.to_thread(target.stack.stop_database, "immediate")
        await asyncio.sleep(chance.uniform(*AWAY_S))
        await asyncio.to_thread(target.stack.start_database)


async def backend_killed(target: Target, history: History, chance: random.Random) -> None:
    """SIGKILL of one of the database's processes: it ends all the others and recovers by itself."""
    backends = await asyncio.to_thread(target.backends)
    with history.fault("database process killed"):
        os.kill(chance.choice(backends), signal.SIGKILL)
        await asyncio.sleep(POLL_S)
        await until(lambda: accepts(target.database_url), "the database recovers")


async def backend_frozen(target: Target, history: History, chance: random.Random) -> None:
    """SIGSTOP of one of the database's processes for a while."""
    backends = await asyncio.to_thread(target.backends)
    with history.fault("database process frozen"), frozen(chance.choice(backends)):
        await asyncio.sleep(chance.uniform(*FROZEN_S))


async def worker_killed(target: Target, history: History, chance: random.Random) -> None:
    """SIGKILL of the worker, which is started again after a while."""
    with history.fault("worker killed"):
        await target.stack.stop_worker(kill=True)
        await asyncio.sleep(chance.uniform(*AWAY_S))
        await target.stack.start_worker()


async def provider_frozen(target: Target, history: History, chance: random.Random) -> None:
    """SIGSTOP of the payment provider for a while."""
    with history.fault("provider frozen"), frozen(*target.psp_processes()):
        await asyncio.sleep(chance.uniform(*FROZEN_S))


async def database_connections_cut(target: Target, history: History, _: random.Random) -> None:
    """The connections to the database are cut, again and again, wherever they are."""
    with history.fault("database connections cut"):
        target.database_network.cut()
        target.database_network.cut_rate = CUT_RATE
        await asyncio.sleep(ROUGH_S)
        target.database_network.mend()


async def database_answers_lost(target: Target, history: History, _: random.Random) -> None:
    """What is asked of the database arrives, and its answers do not: the connections are cut instead."""
    with history.fault("database answers lost"):
        target.database_network.lose_answers()
        await asyncio.sleep(ROUGH_S)
        target.database_network.mend()


async def database_network_slow(target: Target, history: History, _: random.Random) -> None:
    """All between API and database takes a fifth of a second longer."""
    with history.fault("database network slow"):
        target.database_network.delay_s = DELAY_S
        await asyncio.sleep(ROUGH_S)
        target.database_network.mend()


async def database_network_silent(target: Target, history: History, chance: random.Random) -> None:
    """Nothing gets through between API and database, and nobody is told so."""
    with history.fault("database network silent"):
        target.database_network.freeze()
        await asyncio.sleep(chance.uniform(*FROZEN_S))
        target.database_network.mend()


async def webhooks_cut(target: Target, history: History, _: random.Random) -> None:
    """The API's answers to webhooks are lost, so that all of them come again."""
    with history.fault("webhooks cut"):
        target.webhook_network.lose_answers()
        await asyncio.sleep(ROUGH_S)
        target.webhook_network.mend()


async def webhooks_silent(target: Target, history: History, chance: random.Random) -> None:
    """No webhook gets through, and nobody is told so."""
    with history.fault("webhooks silent"):
        target.webhook_network.freeze()
        await asyncio.sleep(chance.uniform(*FROZEN_S))
        target.webhook_network.mend()


PROCESS_FAULTS: tuple[Fault, ...] = (
    api_process_killed,
    api_processes_killed,
    api_process_frozen,
    database_crashed,
    backend_killed,
    backend_frozen,
)
NETWORK_FAULTS: tuple[Fault, ...] = (
    database_connections_cut,
    database_answers_lost,
    database_network_slow,
    database_network_silent,
)
FAULTS_OF_ASYNC: tuple[Fault, ...] = (worker_killed, provider_frozen, webhooks_cut, webhooks_silent)
"""Those of processes that only asynchronous payment has."""
