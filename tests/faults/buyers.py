"""Simulated buyers: clients that book, repeat requests, cancel and read, and record every request.

They use a minimal HTTP/1.1 client, because a full client would take too much CPU time from the system under test.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from tests.faults.history import BookingRequest, Entry, History, RequestedItem

TIMEOUT_S = 15.0
"""A buyer's timeout for a response. It exceeds the checker's bound, so that late responses are recorded."""
RECONNECT_RATE = 0.1
"""The share of requests for which a buyer reconnects, possibly to another process."""
PAUSE_MAX_S = 0.05
"""Upper bound on the pause between two requests of a buyer. It keeps the system busy but not overloaded."""
CUT_PAUSE_S = 0.1
"""Pause after a broken connection. Without it the buyers take the processor time that the API needs to start."""
RECENT_MAX = 500
"""Number of recent bookings that buyers repeat, read and cancel."""
QUANTITY_MAX = 3
"""Upper bound on the tickets of an item. A basket of three such items is within `MAX_TICKETS_PER_BOOKING`."""
ITEMS = {1: 0.6, 2: 0.25, 3: 0.15}
"""The share of requests by the number of their tiers."""
CHOSEN_RATE = 0.3
"""The share of items of seated tiers whose buyers choose the seats."""
RETRIES_MAX = 5
"""Upper bound on immediate retries after a lost response or a 503."""


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """A connection to the API that reconnects on demand."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes = b"") -> Response:
        """Send a request and return its response.

        Raises:
            OSError, EOFError: the connection failed before the response arrived.
            TimeoutError: no response arrived within `TIMEOUT_S`.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                reader, writer = self._streams
                writer.write(
                    f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                return await _read_response(reader)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None


async def _read_response(reader: asyncio.StreamReader) -> Response:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Response(int(head[0].split(" ", 2)[1]), headers, body)


class Shop(NamedTuple):
    """The inventory: an event, the demand per tier, and the tickets of seated tiers."""

    event: str
    demand: Mapping[str, float]
    seats: Mapping[str, list[int]]


class Buyers:
    """Buyers of one event. `rng` decides their actions."""

    def __init__(self, port: int, shop: Shop, history: History, rng: random.Random, *, users: int) -> None:
        self.history = history
        self._port = port
        self._shop = shop
        self._rng = rng
        self._users = users
        self._numbers = itertools.count()
        self._prefix = f"{rng.getrandbits(32):08x}"
        self._recent: deque[tuple[str, BookingRequest]] = deque(maxlen=RECENT_MAX)
        self._stop = asyncio.Event()

    @contextlib.asynccontextmanager
    async def buying(self, clients: int) -> AsyncIterator[None]:
        """Run `clients` buyers for the duration of the context. At its end each buyer finishes its request."""
        self._stop.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._run_buyer())
            try:
                yield
            finally:
                self._stop.set()

    async def book(self, connection: Connection, reference: str, request: BookingRequest) -> Entry:
        """Send a booking request and record it."""
        entry = Entry(kind="book", reference=reference, request=request, start=time.time(), end=0)
        path = f"/api/bookings?event={self._shop.event}"
        return await self._send(connection, entry, "POST", path, msgspec.json.encode(request.body(reference)))

    async def read_order(self, connection: Connection, reference: str) -> Entry:
        """Read an order and record the request."""
        entry = Entry(kind="order", reference=reference, start=time.time(), end=0)
        return await self._send(connection, entry, "GET", f"/api/bookings/{reference}")

    async def cancel(self, connection: Connection, reference: str, user_id: str) -> Entry:
        """Cancel an order and record the request."""
        entry = Entry(kind="cancel", reference=reference, user_id=user_id, start=time.time(), end=0)
        body = msgspec.json.encode({"userId": user_id})
        return await self._send(connection, entry, "POST", f"/api/bookings/{reference}/cancel", body)

    async def read_availability(self, connection: Connection) -> Entry:
        """Read the availability and record the request."""
        entry = Entry(kind="availability", start=time.time(), end=0)
        path = f"/api/tickets/availability?event={self._shop.event}"
        return await self._send(connection, entry, "GET", path)

    async def _send(self, connection: Connection, entry: Entry, method: str, path: str, body: bytes = b"") -> Entry:
        try:
            response = await connection.request(method, path, body)
        except TimeoutError:
            entry.fate = "timeout"
        except (OSError, EOFError):
            entry.fate = "cut"
            entry.end = time.time()
            await asyncio.sleep(CUT_PAUSE_S)
        else:
            entry.status, entry.body = response.status, response.body
            entry.replayed = "idempotent-replayed" in response.headers
            entry.retry_after = "retry-after" in response.headers
            if as_of := response.headers.get("x-as-of"):
                entry.as_of = datetime.fromisoformat(as_of).timestamp()
        entry.end = entry.end or time.time()
        return self.history.add(entry)

    async def _run_buyer(self) -> None:
        connections = [Connection(self._port) for _ in range(3)]
        actions = {
            self._book_new: 0.5,
            self._book_concurrently: 0.08,
            self._repeat: 0.12,
            self._reuse_reference: 0.03,
            self._cancel_recent: 0.09,
            self._read_recent: 0.1,
            self._read_counts: 0.08,
        }
        try:
            while not (self._stop.is_set() or self.history.full):
                (action,) = self._rng.choices(list(actions), list(actions.values()))
                if self._rng.random() < RECONNECT_RATE:
                    connections[0].close()
                await action(connections)
                await asyncio.sleep(self._rng.uniform(0, PAUSE_MAX_S))
        finally:
            for connection in connections:
                connection.close()

    async def _book_new(self, connections: list[Connection]) -> Entry:
        reference, request = self._new_reference(), self._new_request()
        entry = await self.book(connections[0], reference, request)
        for _ in range(self._rng.randint(0, RETRIES_MAX)):
            if entry.status not in {0, 503}:
                break
            await asyncio.sleep(self._rng.uniform(0, PAUSE_MAX_S))
            entry = await self.book(connections[0], reference, request)
        self._recent.append((reference, request))
        return entry

    async def _book_concurrently(self, connections: list[Connection]) -> Entry:
        """Send the same request on several connections at once, possibly to different processes."""
        reference, request = self._new_reference(), self._new_request()
        for connection in connections[1:]:
            connection.close()
        entries = await asyncio.gather(*(self.book(connection, reference, request) for connection in connections))
        self._recent.append((reference, request))
        return entries[0]

    async def _repeat(self, connections: list[Connection]) -> Entry | None:
        if not self._recent:
            return None
        reference, request = self._rng.choice(self._recent)
        items = tuple(self._rng.sample(request.items, len(request.items)))  # Their order makes no difference.
        return await self.book(connections[0], reference, msgspec.structs.replace(request, items=items))

    async def _reuse_reference(self, connections: list[Connection]) -> Entry | None:
        """Send a different request under a used reference."""
        if not self._recent:
            return None
        reference, request = self._rng.choice(self._recent)
        if len(request.items) > 1 and self._rng.random() < 0.5:
            other = msgspec.structs.replace(request, items=request.items[1:])
        else:
            other = msgspec.structs.replace(request, user_id=f"{request.user_id}-else")
        return await self.book(connections[0], reference, other)

    async def _cancel_recent(self, connections: list[Connection]) -> Entry | None:
        if not self._recent:
            return None
        reference, request = self._rng.choice(self._recent)
        user_id = request.user_id if self._rng.random() < 0.9 else "somebody-else"
        entry = await self.cancel(connections[0], reference, user_id)
        if entry.status == 200 and self._rng.random() < 0.3:
            entry = await self.cancel(connections[0], reference, user_id)
        return entry

    async def _read_recent(self, connections: list[Connection]) -> Entry | None:
        return await self.read_order(connections[0], self._rng.choice(self._recent)[0]) if self._recent else None

    async def _read_counts(self, connections: list[Connection]) -> Entry:
        return await self.read_availability(connections[0])

    def _new_reference(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"

    def _new_request(self) -> BookingRequest:
        (number,) = self._rng.choices(list(ITEMS), list(ITEMS.values()))
        tiers = self._rng.choices(list(self._shop.demand), list(self._shop.demand.values()), k=number)
        items = [self._new_item(tier) for tier in dict.fromkeys(tiers)]
        if self._rng.random() < 0.5:
            items = _join_chosen(items)
        # Three buyers book far more often than the others and reach their limits.
        user = self._rng.randrange(self._users) if self._rng.random() < 0.9 else self._rng.randrange(3)
        return BookingRequest(user_id=f"buyer-{user}", items=tuple(items))

    def _new_item(self, tier: str) -> RequestedItem:
        quantity = self._rng.randint(1, QUANTITY_MAX)
        ticket_ids: tuple[int, ...] = ()
        if (seats := self._shop.seats.get(tier)) and self._rng.random() < CHOSEN_RATE:
            ticket_ids = tuple(self._rng.sample(seats, quantity))
        return RequestedItem((tier,) * quantity, ticket_ids)


def _join_chosen(items: list[RequestedItem]) -> list[RequestedItem]:
    """Join the items with chosen seats into one, which may then have seats of several tiers."""
    chosen = [item for item in items if item.ticket_ids]
    if len(chosen) < 2:
        return items
    joined = RequestedItem(
        tuple(tier for item in chosen for tier in item.tiers),
        tuple(ticket_id for item in chosen for ticket_id in item.ticket_ids),
    )
    return [*(item for item in items if not item.ticket_ids), joined]
