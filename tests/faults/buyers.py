"""Buyers: many clients that book, repeat themselves, cancel and look, until they are told to stop; all of it is noted.

They speak HTTP/1.1 by hand, since a full client would take the processor that the system under test needs.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from tests.faults.history import Entry, History, Wanted

PATIENCE_S = 15.0
"""How long a buyer waits for an answer: longer than the checker lets one take."""
RECONNECT_RATE = 0.1
"""The share of requests for which a buyer connects anew, and so perhaps to another process."""
PAUSE_S = 0.05
"""Between two requests a buyer rests up to so long: the system is to be busy, not drowned."""
REMEMBERED_MAX = 500
"""The latest bookings that buyers repeat, look up and cancel."""
ASKS_AGAIN_MAX = 5
"""How often a buyer without an answer repeats a request at once."""


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Line:
    """A connection to the API, made anew whenever it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Send a request; return its answer.

        Raises:
            OSError, EOFError: the connection cannot be made, or ended before the answer.
            TimeoutError: there was none in `PATIENCE_S`.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                reader, writer = self._streams
                writer.write(
                    f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                return await _answer(reader)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(head[0].split(" ", 2)[1]), headers, body)


class Shop(NamedTuple):
    """What there is to buy: an event, how eagerly each tier is wanted, and the tickets of those with seats."""

    event: str
    tiers: Mapping[str, float]
    seats: Mapping[str, list[int]]


class Buyers:
    """A crowd of buyers of one event; what they do is drawn by `chance`."""

    def __init__(self, port: int, shop: Shop, history: History, chance: random.Random, *, users: int) -> None:
        self.history = history
        self._port = port
        self._shop = shop
        self._chance = chance
        self._users = users
        self._numbers = iter(range(10**9))
        self._prefix = f"{chance.getrandbits(32):08x}"
        self._latest: deque[tuple[str, Wanted]] = deque(maxlen=REMEMBERED_MAX)
        self._stop = asyncio.Event()

    @contextlib.asynccontextmanager
    async def buying(self, clients: int) -> AsyncIterator[None]:
        """Let so many of them buy while the context lasts; at its end each finishes what it does."""
        self._stop.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._buy())
            try:
                yield
            finally:
                self._stop.set()

    async def book(self, line: Line, key: str, wanted: Wanted) -> Entry:
        """Ask for a booking and note what came of it."""
        body: dict[str, object] = {
            "tier": wanted.tier,
            "quantity": wanted.quantity,
            "userId": wanted.user_id,
            "bookingReference": key,
        }
        if wanted.ticket_ids:
            body["ticketIds"] = wanted.ticket_ids
        entry = Entry(kind="book", key=key, wanted=wanted, start=time.time(), end=0)
        return await self._ask(
            line, entry, "POST", f"/api/bookings?event={self._shop.event}", msgspec.json.encode(body)
        )

    async def look_up(self, line: Line, key: str) -> Entry:
        """Ask for a booking's present state."""
        entry = Entry(kind="order", key=key, start=time.time(), end=0)
        return await self._ask(line, entry, "GET", f"/api/bookings/{key}")

    async def cancel(self, line: Line, key: str, user_id: str) -> Entry:
        """Ask for a booking to be cancelled."""
        entry = Entry(kind="cancel", key=key, user_id=user_id, start=time.time(), end=0)
        body = msgspec.json.encode({"userId": user_id})
        return await self._ask(line, entry, "POST", f"/api/bookings/{key}/cancel", body)

    async def see(self, line: Line) -> Entry:
        """Ask for what is left."""
        entry = Entry(kind="availability", start=time.time(), end=0)
        return await self._ask(line, entry, "GET", f"/api/tickets/availability?event={self._shop.event}")

    async def _ask(self, line: Line, entry: Entry, method: str, path: str, body: bytes = b"") -> Entry:
        try:
            answer = await line.ask(method, path, body)
        except TimeoutError:
            entry.fate = "silent"
        except (OSError, EOFError):
            entry.fate = "cut"
        else:
            entry.status, entry.body = answer.status, answer.body
            entry.replayed = "idempotent-replayed" in answer.headers
            entry.retry_after = "retry-after" in answer.headers
            if as_of := answer.headers.get("x-as-of"):
                entry.as_of = datetime.fromisoformat(as_of).timestamp()
        entry.end = time.time()
        return self.history.add(entry)

    async def _buy(self) -> None:
        lines = [Line(self._port) for _ in range(3)]
        doings = {
            self._book_new: 0.5,
            self._book_at_once: 0.08,
            self._repeat: 0.12,
            self._reuse_key: 0.03,
            self._cancel_one: 0.09,
            self._look_up_one: 0.1,
            self._see_what_is_left: 0.08,
        }
        try:
            while not (self._stop.is_set() or self.history.full):
                (doing,) = self._chance.choices(list(doings), list(doings.values()))
                if self._chance.random() < RECONNECT_RATE:
                    lines[0].close()
                await doing(lines)
                await asyncio.sleep(self._chance.uniform(0, PAUSE_S))
        finally:
            for line in lines:
                line.close()

    async def _book_new(self, lines: list[Line]) -> Entry:
        key, wanted = self._new_key(), self._wish()
        entry = await self.book(lines[0], key, wanted)
        for _ in range(self._chance.randint(0, ASKS_AGAIN_MAX)):
            if entry.status not in {0, 503}:
                break
            await asyncio.sleep(self._chance.uniform(0, PAUSE_S))
            entry = await self.book(lines[0], key, wanted)
        self._latest.append((key, wanted))
        return entry

    async def _book_at_once(self, lines: list[Line]) -> Entry:
        """Send the same request several times at once, to different processes if they fall so."""
        key, wanted = self._new_key(), self._wish()
        for line in lines[1:]:
            line.close()
        entries = await asyncio.gather(*(self.book(line, key, wanted) for line in lines))
        self._latest.append((key, wanted))
        return entries[0]

    async def _repeat(self, lines: list[Line]) -> Entry | None:
        if not self._latest:
            return None
        key, wanted = self._chance.choice(self._latest)
        return await self.book(lines[0], key, wanted)

    async def _reuse_key(self, lines: list[Line]) -> Entry | None:
        """Send another request under a key that was used."""
        if not self._latest:
            return None
        key, wanted = self._chance.choice(self._latest)
        other = msgspec.structs.replace(wanted, user_id=f"{wanted.user_id}-else", ticket_ids=())
        return await self.book(lines[0], key, other)

    async def _cancel_one(self, lines: list[Line]) -> Entry | None:
        if not self._latest:
            return None
        key, wanted = self._chance.choice(self._latest)
        user_id = wanted.user_id if self._chance.random() < 0.9 else "somebody-else"
        entry = await self.cancel(lines[0], key, user_id)
        if entry.status == 200 and self._chance.random() < 0.3:
            entry = await self.cancel(lines[0], key, user_id)
        return entry

    async def _look_up_one(self, lines: list[Line]) -> Entry | None:
        return await self.look_up(lines[0], self._chance.choice(self._latest)[0]) if self._latest else None

    async def _see_what_is_left(self, lines: list[Line]) -> Entry:
        return await self.see(lines[0])

    def _new_key(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"

    def _wish(self) -> Wanted:
        (tier,) = self._chance.choices(list(self._shop.tiers), list(self._shop.tiers.values()))
        quantity = self._chance.randint(1, 4)
        # A few buyers book far more than the others, and come up against their limit.
        user = self._chance.randrange(self._users) if self._chance.random() < 0.9 else self._chance.randrange(3)
        ticket_ids: tuple[int, ...] = ()
        if (seats := self._shop.seats.get(tier)) and self._chance.random() < 0.3:
            ticket_ids = tuple(self._chance.sample(seats, quantity))
        return Wanted(tier=tier, quantity=quantity, user_id=f"buyer-{user}", ticket_ids=ticket_ids)
