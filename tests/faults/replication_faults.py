"""The faults of replication: a standby or a primary is killed, frozen, cut off or replaced.

The tests replace the cluster manager, which promotes the standby and makes the former primary its standby.
"""

import asyncio
import os
import random
import signal

from tests.faults.faults import (
    CUT_RATE,
    DOWN_S,
    NETWORK_FAULT_S,
    Fault,
    api_process_killed,
    api_processes_killed,
    provider_frozen,
    worker_frozen,
    worker_killed,
)
from tests.faults.history import History
from tests.faults.replicated_target import ReplicatedTarget
from tests.faults.target import StackTarget

STANDBY_AWAY_S = (0.5, 5.0)
"""Range of a standby's absence: shorter and longer than a round trip to the database may take."""
RETURNED_S = (1.0, 2.0)
"""Range of the time for which a former primary accepts writes."""


async def standby_killed(target: ReplicatedTarget, history: History, rng: random.Random) -> None:
    """Kill the standby, and start it again."""
    with history.fault("standby killed"):
        await asyncio.to_thread(target.replicas.standby.stop)
        await asyncio.sleep(rng.uniform(*STANDBY_AWAY_S))
        await asyncio.to_thread(target.replicas.standby.start)
        await target.replicas.until_synchronous()


async def standby_frozen(target: ReplicatedTarget, history: History, rng: random.Random) -> None:
    """Freeze all processes of the standby, so that commits wait."""
    with history.fault("standby frozen"), target.replicas.standby.frozen():
        await asyncio.sleep(rng.uniform(*STANDBY_AWAY_S))


async def replication_silent(target: ReplicatedTarget, history: History, rng: random.Random) -> None:
    """Hold back all data between the primary and the standby without closing the connection."""
    with history.fault("replication silent"):
        target.replicas.link.freeze()
        await asyncio.sleep(rng.uniform(*STANDBY_AWAY_S))
        target.replicas.link.mend()


async def replication_cut(target: ReplicatedTarget, history: History, _: random.Random) -> None:
    """Cut the replication connection repeatedly, at random points of the protocol."""
    with history.fault("replication cut"):
        target.replicas.link.cut()
        target.replicas.link.cut_rate = CUT_RATE
        await asyncio.sleep(NETWORK_FAULT_S)
        target.replicas.link.mend()
        await target.replicas.until_synchronous()


async def primary_crashed(target: ReplicatedTarget, history: History, rng: random.Random) -> None:
    """Kill the primary while commits wait for the standby, and start it again before the standby returns.

    The recovery makes the commits visible, although the standby lacks them.
    """
    replicas = target.replicas
    with history.fault("primary crashed"):
        replicas.link.freeze()
        await replicas.until_commits_wait()
        await asyncio.to_thread(replicas.primary.stop)
        await asyncio.to_thread(replicas.primary.start)
        await asyncio.sleep(rng.uniform(*DOWN_S))
        replicas.link.cut()
        replicas.link.mend()
        await replicas.until_synchronous()


async def primary_killed(target: ReplicatedTarget, history: History, _: random.Random) -> None:
    """Kill the primary, and promote the standby."""
    with history.fault("primary killed"):
        await asyncio.to_thread(target.replicas.primary.stop)
        await target.replicas.promote()
    await target.replicas.rejoin()


async def primary_frozen(target: ReplicatedTarget, history: History, rng: random.Random) -> None:
    """Freeze the primary while commits wait for the standby, promote the standby, and kill the former primary later."""
    replicas = target.replicas
    with history.fault("primary frozen"):
        replicas.link.freeze()
        await replicas.until_commits_wait()
        with replicas.primary.frozen():
            former = await replicas.promote()
            await asyncio.sleep(rng.uniform(*STANDBY_AWAY_S))
            await asyncio.to_thread(former.stop)
    await replicas.rejoin()


async def primary_replaced(target: ReplicatedTarget, history: History, _: random.Random) -> None:
    """Stop the primary cleanly, and promote the standby, as a planned switchover does."""
    with history.fault("primary replaced"):
        await asyncio.to_thread(target.replicas.primary.shut_down)
        await target.replicas.promote()
    await target.replicas.rejoin()


async def former_primary_returned(target: ReplicatedTarget, history: History, rng: random.Random) -> None:
    """Promote the standby, and start the killed primary as a second server that accepts writes.

    The API's processes are killed after the system has recorded the new primary. They forget it and connect again.
    """
    replicas = target.replicas
    with history.fault("former primary returned", loses_responses=True):
        await asyncio.to_thread(replicas.primary.stop)
        former = await replicas.promote()
        await target.until_primary_recorded()
        await asyncio.to_thread(former.start)
        await asyncio.to_thread(former.replicate_synchronously, "")
        for pid in target.api_processes():
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(rng.uniform(*RETURNED_S))
        await asyncio.to_thread(former.stop)
    await replicas.rejoin()


async def api_stopped_during_commits(target: ReplicatedTarget, history: History, _: random.Random) -> None:
    """Stop the API while commits wait for the standby, and start it again while they still wait."""
    replicas = target.replicas
    with history.fault("API stopped during commits", loses_responses=True):
        replicas.link.freeze()
        await replicas.until_commits_wait()
        await target.stack.stop_api()
        await target.start_api(ready=False)
        await asyncio.sleep(NETWORK_FAULT_S)
        replicas.link.mend()


REPLICATION_FAULTS: tuple[Fault[ReplicatedTarget], ...] = (
    standby_killed,
    standby_frozen,
    replication_silent,
    replication_cut,
    primary_crashed,
    primary_killed,
    primary_frozen,
    primary_replaced,
    former_primary_returned,
    api_stopped_during_commits,
)
_COMMON: tuple[Fault[StackTarget], ...] = (api_process_killed, api_processes_killed)
_ASYNC: tuple[Fault[StackTarget], ...] = (worker_killed, worker_frozen, provider_frozen)


def replication_faults_of(mode: str) -> tuple[Fault[ReplicatedTarget], ...]:
    """Return every fault of a replicated system that applies to a payment mode."""
    return REPLICATION_FAULTS + _COMMON + (_ASYNC if mode == "async" else ())
