"""The booking batcher: natural batching of booking requests, one transaction at a time in each API process.

Requests that arrive while a transaction is under way wait for the next one, which takes all that wait, up to a
limit. Idle, a batch is one request without any added delay; busy, batches grow by themselves, and with them
what one commit and its flush to disk are shared by. There is no timer that collects them.

Requests under one reference are one booking with several waiters: a repeat waits for the first.

Waiting is bounded: the queue has a limit, and each request is answered in time, whatever the database does.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

import msgspec
import psycopg
import psycopg_pool

from api.config import Settings
from api.database import session as database
from api.database.errors import CommitUnknownError, is_retryable, is_unavailable
from api.database.pool import Pool
from api.errors import (
    ApiError,
    Busy,
    InternalError,
    PaymentDeclined,
)
from api.metrics import BATCH_SIZE, BOOKING_RETRIES
from api.services.bookings.batch import (
    Decided,
    NewOrder,
    Outcome,
    Retry,
    book_batch,
)
from api.services.order_rows import OrderRow

_log = logging.getLogger(__name__)

TRANSACTION_GRACE_S = 0.9
"""What a transaction that is under way is given beyond `booking_wait_ms`, before its requests are answered."""
_PAUSE_FIRST_S = 0.002
_PAUSE_MAX_S = 0.1
"""Before a transaction is run again: a random part of a pause that doubles each time, up to the second."""


class QueuedRequest(msgspec.Struct, eq=False):
    """A booking in the batcher, and who waits for its answer: the first request, then its repeats."""

    new: NewOrder
    deadline: float
    waiters: "list[asyncio.Future[Decided]]"
    attempts: int = 0
    running: bool = False
    unknown: bool = False
    """Whether a commit of it may have gone through."""
    away: bool = False
    """Whether the last attempt found no database."""

    def busy(self) -> Busy:
        """Return the refusal that is true of it now."""
        if self.unknown or self.running:
            return Busy(reference=self.new.reference, unknown=True)
        return Busy("database" if self.away else "overload", reference=self.new.reference)

    def failure(self) -> ApiError:
        """Return the answer to a fault of our own."""
        return self.busy() if self.unknown else InternalError(booked_nothing=True)


class _Waiting(NamedTuple):
    """Who waits for a booking's answer, and until when, by the event loop's clock."""

    until: float
    waiter: "asyncio.Future[Decided]"
    booking: QueuedRequest


class Sold(NamedTuple):
    """An order that this process has just committed, confirmed or held."""

    event: str
    order: OrderRow


class BookingBatcher:
    """Takes booking requests and answers them after their commit."""

    def __init__(self, pool: Pool, settings: Settings, on_commit: Callable[[list[Sold]], None]) -> None:
        self._pool = pool
        self._settings = settings
        self._on_commit = on_commit
        self._open: dict[str, QueuedRequest] = {}
        self._queue: deque[QueuedRequest] = deque()
        self._waiting: deque[_Waiting] = deque()
        """In the order in which they give up, since all wait equally long; a single timer is for the first."""
        self._timer: asyncio.TimerHandle | None = None
        self._arrived = asyncio.Event()
        self._ended = False

    async def book(self, new: NewOrder) -> Decided:
        """Return a request's answer once it is committed.

        Raises:
            Busy: it was not booked, or, as the message then says, it is unknown whether it was.
            InternalError: it failed for a reason that the log has; it was not booked.
        """
        booking = self._open.get(new.reference)
        if booking and booking.new.digest != new.digest:
            # Whether the other request under this reference leaves an order decides what becomes of this one.
            with contextlib.suppress(ApiError):
                await self._wait_for(booking)
            booking = self._open.get(new.reference)
            if booking and booking.new.digest != new.digest:
                raise booking.busy()
        if booking is None:
            booking = self._enqueue(new)
        return await self._wait_for(booking)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work the queue while the context lasts; what is still waiting at its end is answered `busy`."""
        task = asyncio.create_task(self._work(), name="booking-batcher")
        try:
            yield
        finally:
            self._ended = True
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            for booking in list(self._open.values()):
                self._refuse(booking, booking.busy)
            if self._timer:
                self._timer.cancel()

    def _enqueue(self, new: NewOrder) -> QueuedRequest:
        deadline = time.monotonic() + self._settings.booking_wait_ms / 1000
        booking = QueuedRequest(new, deadline, [])
        if self._ended or len(self._queue) >= self._settings.booking_queue_max:
            raise booking.busy()
        self._open[new.reference] = booking
        self._queue.append(booking)
        self._arrived.set()
        return booking

    def _wait_for(self, booking: QueuedRequest) -> "asyncio.Future[Decided]":
        """Return a future that has the booking's answer, or in time its refusal."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Decided] = loop.create_future()
        booking.waiters.append(waiter)
        while self._waiting and self._waiting[0].waiter.done():  # What was answered is not to be kept.
            self._waiting.popleft()
        within_s = self._settings.booking_wait_ms / 1000 + TRANSACTION_GRACE_S
        self._waiting.append(_Waiting(loop.time() + within_s, waiter, booking))
        if self._timer is None:
            self._timer = loop.call_later(within_s, self._give_up)
        return waiter

    def _give_up(self) -> None:
        """Refuse who has waited for too long, and set the timer for the next."""
        loop = asyncio.get_running_loop()
        while self._waiting and (self._waiting[0].waiter.done() or self._waiting[0].until <= loop.time()):
            _, waiter, booking = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(booking.busy())
        self._timer = loop.call_at(self._waiting[0].until, self._give_up) if self._waiting else None

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            if batch := self._take():
                await self._book(batch)
            if not self._queue:
                self._arrived.clear()
            elif all(booking.attempts for booking in self._queue):
                await asyncio.sleep(_pause(min(booking.attempts for booking in self._queue)))

    def _take(self) -> list[QueuedRequest]:
        """Take the next batch from the queue, without those that nobody waits for or that waited too long."""
        batch: list[QueuedRequest] = []
        now = time.monotonic()
        while self._queue and len(batch) < self._settings.booking_batch_max:
            booking = self._queue.popleft()
            abandoned = all(waiter.done() for waiter in booking.waiters)
            if abandoned or now > booking.deadline or booking.attempts >= self._settings.booking_attempts_max:
                self._refuse(booking, booking.busy)
            else:
                batch.append(booking)
        return batch

    async def _book(self, batch: Sequence[QueuedRequest]) -> None:
        """Book a batch, and give each of its members an answer or its place in the queue back."""
        BATCH_SIZE.observe(len(batch))
        for booking in batch:
            booking.attempts += 1
            booking.running = True
            booking.away = False
        outcomes: list[Outcome] | None = None
        try:
            async with database.open_session(self._pool) as session:
                outcomes = await book_batch(session, [booking.new for booking in batch], self._settings)
        except Exception as error:  # noqa: BLE001 - whatever it is, the batcher lives on and each request is answered
            if outcomes is None:
                await self._failed(batch, error)
        if outcomes is not None:  # Committed, even if the connection died on its way back into the pool.
            self._answer(batch, outcomes)

    def _answer(self, batch: Sequence[QueuedRequest], outcomes: Sequence[Outcome]) -> None:
        sold: list[Sold] = []
        again = []
        for booking, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Retry):
                again.append(booking)
                continue
            if outcome.bookings and not outcome.replayed and isinstance(outcome.answer, OrderRow):
                sold.append(Sold(booking.new.event, outcome.answer))
            del self._open[booking.new.reference]
            for number, waiter in enumerate(booking.waiters):
                if not waiter.done():
                    waiter.set_result(_repeated(outcome) if number else outcome)
        if sold:
            self._on_commit(sold)
        self._put_back(again, "locked_tickets")

    async def _failed(self, batch: Sequence[QueuedRequest], error: Exception) -> None:
        """Run a batch again that failed for others' sake; of one that failed for its own, find the culprit."""
        if isinstance(error, psycopg.Error) and is_retryable(error):
            self._put_back(batch, error.sqlstate or "conflict")
        elif isinstance(error, CommitUnknownError):
            for booking in batch:
                booking.unknown = True
            self._put_back(batch, "commit_unknown")
        elif isinstance(error, psycopg.errors.QueryCanceled):
            self._put_back(batch, "timeout")
        elif isinstance(error, psycopg_pool.PoolTimeout) or is_unavailable(error):
            for booking in batch:
                booking.away = True
            self._put_back(batch, "no_database")
        elif len(batch) > 1:
            for booking in batch:
                await self._book([booking])
        else:
            _log.error("booking %s failed", batch[0].new.reference, exc_info=error)
            self._refuse(batch[0], batch[0].failure)

    def _put_back(self, batch: Sequence[QueuedRequest], cause: str) -> None:
        if batch:
            BOOKING_RETRIES.labels(cause).inc(len(batch))
        for booking in batch:
            booking.running = False
        self._queue.extendleft(reversed(batch))

    def _refuse(self, booking: QueuedRequest, error: Callable[[], ApiError]) -> None:
        del self._open[booking.new.reference]
        for waiter in booking.waiters:
            if not waiter.done():
                waiter.set_exception(error())


def _repeated(decided: Decided) -> Decided:
    """Return the answer of a repeat: marked as one if the first is remembered, else refused like it."""
    remembered = not isinstance(decided.answer, ApiError) or isinstance(decided.answer, PaymentDeclined)
    return msgspec.structs.replace(decided, replayed=True) if remembered else decided


def _pause(attempts: int) -> float:
    return random.uniform(0, min(_PAUSE_FIRST_S * 2**attempts, _PAUSE_MAX_S))
