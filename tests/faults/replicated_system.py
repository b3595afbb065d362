"""API processes and buyers on a replicated pair of servers, with the history that the checker compares."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from api.commands.seed import seed
from tests.faults.buyers import Buyers, Connection
from tests.faults.checker import Violation, check
from tests.faults.history import BookingRequest, Entry, Fault, History
from tests.faults.replication import Pair, Server
from tests.faults.soak import EVENT, inventory_of, shop_of
from tests.faults.target import until
from tests.stack import ROOT, TEMPLATE, Stack, responds, temporary_directory

CLIENTS = 6
USERS = 500
STANDING = 5000
BOOKINGS_MIN = 20
"""Acknowledged bookings before and after each failover."""
ENVIRONMENT: Mapping[str, str] = {
    "BOOKING_WAIT_MS": "700",
    "STATEMENT_TIMEOUT_MS": "500",
    "DB_ROUND_TRIP_MAX_MS": "800",
    "DB_CONNECT_TIMEOUT_S": "1",
}
"""Timeouts that bound each recovery to a few seconds."""


class System:
    """A running system with buyers."""

    def __init__(self, pair: Pair, stack: Stack) -> None:
        self.pair = pair
        self.stack = stack
        self.history = History()
        rng = random.Random(1)
        self._buyers = Buyers(stack.api_port, shop_of(pair.primary.url(TEMPLATE)), self.history, rng, users=USERS)

    @contextlib.asynccontextmanager
    async def buying(self) -> AsyncIterator[None]:
        """Run buyers for the duration of the context. At its end each buyer finishes its request."""
        async with self._buyers.buying(CLIENTS):
            yield

    async def until_booked(self) -> None:
        """Wait until `BOOKINGS_MIN` more bookings are acknowledged."""
        before = len(self.find(lambda entry: entry.status == 201))
        await until(
            lambda: len(self.find(lambda entry: entry.status == 201)) >= before + BOOKINGS_MIN, "bookings succeed"
        )

    async def until_recovered(self) -> None:
        """Wait until a booking succeeds that started after the last fault."""
        await until(lambda: self.last_fault.recovered is not None, f"bookings resume after {self.last_fault.name}")

    @property
    def last_fault(self) -> Fault:
        return self.history.faults[-1]

    def find(self, condition: Callable[[Entry], bool]) -> list[Entry]:
        """Return the booking requests that meet a condition."""
        return [entry for entry in list(self.history.entries) if entry.kind == "book" and condition(entry)]

    async def repeat_unknown(self) -> None:
        """Read the orders of bookings whose outcome the API reported as unknown, and repeat the bookings.

        Found orders are booked first, one by one. A new order waits for the standby and would delay its whole batch.
        """
        unknown = {
            entry.reference: entry.request
            for entry in self.find(lambda entry: entry.status == 503 and "unknown" in entry.content)
            if entry.request
        }
        assert unknown
        orders = await asyncio.gather(*map(self._read_order, unknown))
        for order in orders:
            if order.status == 200:
                await self._repeat(order.reference, unknown.pop(order.reference))
        await asyncio.gather(*(self._repeat(*each) for each in unknown.items()))

    async def _read_order(self, reference: str) -> Entry:
        with contextlib.closing(Connection(self.stack.api_port)) as connection:
            return await self._buyers.read_order(connection, reference)

    async def _repeat(self, reference: str, request: BookingRequest) -> None:
        with contextlib.closing(Connection(self.stack.api_port)) as connection:
            await self._buyers.book(connection, reference, request)

    async def start_api(self) -> None:
        """Start the API and wait until it reads the database. It is not ready while commits wait for the standby."""
        # The replication connection needs this event loop, so a thread waits for the API.
        await asyncio.to_thread(asyncio.run, self.stack.start_api(ready=False))
        address = f"{self.stack.api_url}/api/tickets/availability?event={EVENT}"
        await until(lambda: responds(address), "the API reads the database")

    async def violations(self, server: Server) -> list[Violation]:
        """Compare the history with a server's database."""
        return await asyncio.to_thread(check, self.history, server.url(TEMPLATE), EVENT)


@contextlib.asynccontextmanager
async def running_system(pair: Pair, source: Path = ROOT, **variables: str) -> AsyncIterator[System]:
    """Run API processes on both servers of a pair, from the code in `source`; `variables` are further settings."""
    await asyncio.to_thread(seed, pair.primary.url(TEMPLATE), event=EVENT, inventory=inventory_of(STANDING))
    with temporary_directory() as directory:
        system = System(pair, Stack(pair.url, directory, {**ENVIRONMENT, "API_WORKERS": "2", **variables}, source))
        try:
            await system.start_api()
            yield system
        finally:
            await system.stack.stop()


async def fail_over(pair: Pair) -> None:
    """Kill the primary, lose the data in flight, and promote the standby."""
    await asyncio.to_thread(pair.primary.stop)
    await promote(pair)


async def promote(pair: Pair) -> None:
    """Lose the data in flight, and promote the standby."""
    pair.link.cut()
    await asyncio.to_thread(pair.standby.promote)
