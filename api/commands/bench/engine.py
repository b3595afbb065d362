"""The booking engine without HTTP: compared with a reference design, and measured in tiers of any size.

The reference design books each request in a transaction of its own. The transaction claims the first unlocked
tickets and retries after a pause when it conflicts. Both designs have the same load: concurrent clients in one
process, each of which sends its next booking after the outcome of the last.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import msgspec
import psycopg
import psycopg_pool
from psycopg import IsolationLevel
from psycopg.rows import class_row

from api import schemas
from api.commands.bench.plan import Spread, spread_of
from api.config import Settings
from api.database import queries
from api.database.connection import Connection
from api.database.pool import Pool, open_pool
from api.database.session import Session, open_session
from api.errors import ApiError
from api.metrics import BOOKING_RETRIES
from api.services.bookings.batch import book_batch
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy, Item, NewOrder, Outcome

Isolation = Literal["serializable", "read_committed"]
Design = Literal["ours", "reference"]
Book = Callable[[int], Awaitable[bool]]
"""Makes the booking with a number; returns True on success."""

TIER = "GA"
ATTEMPTS_MAX = 50
"""Attempts of a conflicting transaction of the reference design."""
_PAUSE_FIRST_S = 0.002
_PAUSE_MAX_S = 0.1
"""Bounds of the exponential backoff with full jitter, without which the reference design is several times slower."""

_LEVELS = {"serializable": IsolationLevel.SERIALIZABLE, "read_committed": IsolationLevel.READ_COMMITTED}


class DriveResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes of the bookings of concurrent clients."""

    per_s: float
    latency_ms: Spread | None
    errors: int
    attempts: int
    """Attempts of all requests, including retries after conflicts."""
    retries: int

    @property
    def retried_share(self) -> float:
        """Return the share of attempts that were retried."""
        return self.retries / self.attempts if self.attempts else 0.0


class _Tier(msgspec.Struct, frozen=True):
    """A row of `bench.find_standing`."""

    event_id: int
    tier_id: int
    price_minor: int
    currency: str


class Clients:
    """Concurrent clients of one design, each of which books one ticket after the other."""

    def __init__(self, book: Book, retries: Callable[[], float]) -> None:
        self._book = book
        self._retries = retries
        self._numbers = itertools.count(1)

    async def drive(self, clients: int, warmup_s: float, seconds: float) -> DriveResult:
        """Book with `clients` concurrent clients; the result covers the time after the warm-up."""
        measured_from = time.perf_counter() + warmup_s
        until = measured_from + seconds
        latencies_s: list[float] = []
        errors = requests = 0

        async def run_client() -> None:
            nonlocal errors, requests
            while (started := time.perf_counter()) < until:
                success = await self._book(next(self._numbers))
                ended = time.perf_counter()
                requests += 1
                if measured_from <= ended < until:
                    errors += not success
                    if success:
                        latencies_s.append(ended - started)

        before = self._retries()
        await asyncio.gather(*(run_client() for _ in range(clients)))
        retries = round(self._retries() - before)
        return DriveResult(
            per_s=round(len(latencies_s) / seconds, 1),
            latency_ms=spread_of(latencies_s),
            errors=errors,
            attempts=requests + retries,
            retries=retries,
        )


@contextlib.asynccontextmanager
async def clients_of(
    design: Design, url: str, settings: Settings, clients: int, isolation: Isolation
) -> AsyncIterator[Clients]:
    """Open clients of a design on a database, with one connection for each client."""
    own = msgspec.structs.replace(settings, booking_isolation=isolation, db_pool_max=max(clients, 2))
    if design == "ours":
        async with open_pool(url, own) as pool:
            batcher = BookingBatcher(pool, own, on_commit=lambda *_: None)
            async with batcher.running():
                yield Clients(lambda number: _book_ours(batcher, number), _retries_ours)
    else:
        async with _reference_pool(url, isolation, clients) as pool:
            reference = _Reference(pool, await _find_tier(pool))
            yield Clients(reference.book, lambda: reference.retries)


async def _book_ours(batcher: BookingBatcher, number: int) -> bool:
    try:
        decision = await batcher.book(new_order(schemas.BUILT_IN_EVENT, number))
    except ApiError:
        return False
    return isinstance(decision, Booked)


def new_order(event: str, number: int) -> NewOrder:
    """Return a request of a new buyer for one ticket."""
    buyer = reference = f"{event}-{number}"
    return NewOrder(reference=reference, event=event, items=(Item(tier=TIER, quantity=1),), user_id=buyer)


def _retries_ours() -> float:
    return sum(
        sample.value
        for metric in BOOKING_RETRIES.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


# --- The reference design --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _reference_pool(url: str, isolation: Isolation, size: int) -> AsyncIterator[Pool]:
    async def configure(connection: Connection) -> None:
        await connection.set_isolation_level(_LEVELS[isolation])

    async with psycopg_pool.AsyncConnectionPool(
        url,
        connection_class=Connection,
        kwargs={"autocommit": True, "prepare_threshold": 0},
        configure=configure,
        min_size=size,
        max_size=size,
        open=False,
    ) as pool:
        await pool.wait()
        yield pool


async def _find_tier(pool: Pool) -> _Tier:
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(_Tier)) as cursor:
        (tier,) = await (await cursor.execute(queries.bench.find_standing.sql)).fetchall()
    return tier


class _Reference:
    """Bookings with the SQL of the reference design."""

    def __init__(self, pool: Pool, tier: _Tier) -> None:
        self._pool = pool
        self._tier = tier
        self.retries = 0

    async def book(self, number: int) -> bool:
        """Book one ticket; return False if all attempts conflicted or no ticket is left."""
        for attempt in range(ATTEMPTS_MAX):
            try:
                return await self._book_once(number)
            except psycopg.errors.SerializationFailure:
                self.retries += 1
            await asyncio.sleep(random.uniform(0, min(_PAUSE_FIRST_S * 2**attempt, _PAUSE_MAX_S)))
        return False

    async def _book_once(self, number: int) -> bool:
        tier, quantity = self._tier, 1
        order = {
            "event_id": tier.event_id,
            "tier_id": tier.tier_id,
            "reference": f"reference-{number}",
            "user_id": f"reference-{number}",
            "digest": bytes(32),
            "quantity": quantity,
            "price_minor": tier.price_minor,
            "total_minor": quantity * tier.price_minor,
            "currency": tier.currency,
        }
        async with self._pool.connection() as connection, connection.transaction():
            claimed = await connection.execute(queries.bench.claim_first.sql, order)
            ticket_ids = [ticket_id for (ticket_id,) in await claimed.fetchall()]
            if len(ticket_ids) < quantity:
                return False
            inserted = await connection.execute(queries.bench.insert_order.sql, order)
            (order_id,) = await inserted.fetchone() or (0,)
            lines = order | {"order_id": order_id, "ticket_ids": ticket_ids}
            await connection.execute(queries.bench.insert_bookings.sql, lines)
            await connection.execute(queries.bench.insert_payment.sql, lines)
            await connection.execute(queries.bench.sell_by_id.sql, lines)
        return True


# --- Claims ----------------------------------------------------------------------------------------------


class Claimer:
    """Booking batches on one connection, one after the other; each request books one ticket."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._policy = BookingPolicy.of(settings)
        self._memory = Memory()
        self._numbers = itertools.count(1)

    async def claim(self, event: str, batch: int) -> tuple[int, float]:
        """Book a batch of `batch` requests; return the number of bookings and the elapsed seconds."""
        orders = [new_order(event, next(self._numbers)) for _ in range(batch)]
        outcomes: dict[str, Outcome] = {}
        started = time.perf_counter()
        await book_batch(self._session, orders, self._policy, self._memory, outcomes)
        seconds = time.perf_counter() - started
        return sum(isinstance(outcome, Booked) for outcome in outcomes.values()), seconds

    async def by_size(self, events: list[str], batch: int, batches: int) -> dict[str, list[float]]:
        """Book `batches` batches of each event, in random order; return the elapsed seconds of each, by event."""
        took: dict[str, list[float]] = {event: [] for event in events}
        for event in events:  # The first statements of a connection are slower.
            await self.claim(event, batch)
        for _ in range(batches):
            for event in random.sample(events, len(events)):
                took[event].append((await self.claim(event, batch))[1])
        return took

    async def sell_down(self, event: str, tickets: int, batch: int) -> list[float]:
        """Sell all tickets of an event; return the tickets per second of each tenth.

        Raises:
            RuntimeError: a ticket stayed unsold, or was sold twice.
        """
        rates = []
        for tenth in range(10):
            left = tickets * (tenth + 1) // 10 - tickets * tenth // 10
            wanted, took = left, 0.0
            while left:
                sold, seconds = await self.claim(event, min(batch, left))
                if not sold:
                    raise RuntimeError(f"{event}: no ticket was sold although {left} tickets of a tenth are left")
                left -= sold
                took += seconds
            rates.append(round(wanted / took, 1))
        if (await self.claim(event, 1))[0]:
            raise RuntimeError(f"{event}: a ticket was sold after the last one")
        return rates


@contextlib.asynccontextmanager
async def claimer_of(url: str, settings: Settings) -> AsyncIterator[Claimer]:
    """Open a connection for batches."""
    async with open_pool(url, settings) as pool, open_session(pool) as session:
        yield Claimer(session, settings)
