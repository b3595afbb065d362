"""A system on a primary and a synchronous standby, which exchange their roles at each failover."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from api.database.timeline import Timelines
from tests.faults.replication import Pair, Server, replicated_pair
from tests.faults.target import MODES, SHORT_TIMEOUTS, StackTarget, until
from tests.faulty_proxy import FaultyProxy
from tests.stack import TEMPLATE, Stack, temporary_directory

CONNECT_TIMEOUT_S = "1"
"""Value of `DB_CONNECT_TIMEOUT_S`: a frozen server accepts connections and never responds."""


class Replicas:
    """The present primary, its standby, and the connection between them. The tests replace the cluster manager."""

    def __init__(self, pair: Pair, way_back: FaultyProxy) -> None:
        self.primary, self.standby = pair.primary, pair.standby
        self._links = {pair.primary: pair.link, pair.standby: way_back}
        self.url = pair.url

    @property
    def link(self) -> FaultyProxy:
        """The replication connection to the present primary."""
        return self._links[self.primary]

    async def promote(self) -> Server:
        """Lose the data in flight, and promote the standby; return the former primary."""
        self.link.cut()
        await asyncio.to_thread(self.standby.promote)
        self.primary, self.standby = self.standby, self.primary
        return self.standby

    async def rejoin(self) -> None:
        """Make the former primary, which is stopped, the synchronous standby of the present one."""
        self.link.mend()
        await asyncio.to_thread(self._rejoin)

    def _rejoin(self) -> None:
        self.standby.rewind(self.primary)
        self.standby.follow(self.link)
        self.standby.start()
        self.primary.replicate_synchronously("*")
        self.primary.until_synchronous()

    async def until_synchronous(self) -> None:
        """Wait until the standby is synchronous."""
        await asyncio.to_thread(self.primary.until_synchronous)

    async def until_commits_wait(self) -> None:
        """Wait until a commit waits for the standby."""
        await until(lambda: self.primary.count_waiting() > 0, "a commit waits for the standby")


class ReplicatedTarget(StackTarget):
    """A system on two servers, whose URL names both."""

    def __init__(self, mode: str, stack: Stack, webhook_network: FaultyProxy, replicas: Replicas) -> None:
        super().__init__(mode, stack, webhook_network)
        self.replicas = replicas

    @property
    def database_url(self) -> str:
        return self.replicas.primary.url(TEMPLATE)

    async def until_primary_recorded(self) -> None:
        """Wait until a process of the system has recorded the timeline of the present primary."""
        cluster, timeline = await asyncio.to_thread(self.replicas.primary.read_timeline)
        path = Path(self.stack.environment["DATA_DIR"]) / "timelines.json"
        timelines = Timelines(path)
        await until(lambda: not timelines.is_current(cluster, timeline - 1), f"{path} has timeline {timeline}")


@contextlib.asynccontextmanager
async def running_replicated_target(
    mode: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[ReplicatedTarget]:
    """Run the system in a payment mode, with all its processes, on a primary and its synchronous standby."""
    async with contextlib.AsyncExitStack() as resources:
        pair = await resources.enter_async_context(replicated_pair())
        way_back = await resources.enter_async_context(FaultyProxy(pair.standby.port))
        directory = resources.enter_context(temporary_directory())
        settings = {"API_WORKERS": "2", "DB_CONNECT_TIMEOUT_S": CONNECT_TIMEOUT_S, **SHORT_TIMEOUTS, **MODES[mode]}
        stack = Stack(pair.url, directory, {**settings, **(environment or {})})
        webhook_network = await resources.enter_async_context(FaultyProxy(stack.api_port))
        stack.environment["PSP_WEBHOOK_URL"] = f"http://127.0.0.1:{webhook_network.port}/api/payments/webhook"
        target = ReplicatedTarget(mode, stack, webhook_network, Replicas(pair, way_back))
        try:
            await target.start()
            yield target
        finally:
            webhook_network.mend()
            target.replicas.link.mend()
            await stack.stop()
