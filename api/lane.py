"""The booking lane: natural batching of booking requests, one transaction at a time in each API process.

Requests that arrive while a transaction is under way wait for the next one, which takes all that wait, up to a
limit. Idle, a batch is one request without any added delay; busy, batches grow by themselves, and with them
what one commit and its flush to disk are shared by. There is no timer.

Waiting is bounded: the queue has a limit, a request has a deadline, and both answer 503 `busy`.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeAlias

import msgspec
import psycopg
import psycopg_pool

from api import db
from api.config import Settings
from api.errors import ApiError, Busy, InternalError, PaymentDeclined
from api.metrics import BATCH_SIZE, BOOKING_RETRIES
from api.services.bookings import Decided, LookAgain, NewOrder, Outcome, book_batch

_log = logging.getLogger(__name__)

RETRY_AFTER_S = 1
"""When to come back after `busy`."""
_PAUSE_FIRST_S = 0.002
_PAUSE_MAX_S = 0.1
"""Before a transaction is run again: a random part of a pause that doubles each time, up to the second."""


class _Waiting(msgspec.Struct, eq=False):
    """A request in the queue, and where its answer goes. `unknown`: a commit of it may have gone through."""

    new: NewOrder
    decided: "asyncio.Future[Decided]"
    deadline: float
    attempts: int = 0
    unknown: bool = False


_Repeats: TypeAlias = dict[str, list[_Waiting]]


class BookingLane:
    """Takes booking requests and answers them after their commit."""

    def __init__(self, pool: db.Pool, settings: Settings, on_commit: Callable[[set[str]], None]) -> None:
        self._pool = pool
        self._settings = settings
        self._on_commit = on_commit
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()

    async def book(self, new: NewOrder) -> Decided:
        """Return a request's answer once it is committed.

        Raises:
            Busy: it was not booked, or, as the message then says, it is unknown whether it was.
            InternalError: it failed for a reason that the log has; it was not booked.
        """
        if len(self._queue) >= self._settings.booking_queue_max:
            raise _busy(new)
        deadline = time.monotonic() + self._settings.booking_wait_ms / 1000
        waiting = _Waiting(new, asyncio.get_running_loop().create_future(), deadline)
        self._queue.append(waiting)
        self._arrived.set()
        return await waiting.decided

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work the queue while the context lasts; what is still waiting at its end is answered `busy`."""
        task = asyncio.create_task(self._work(), name="booking-lane")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            for waiting in self._queue:
                _refuse(waiting, _busy(waiting.new))

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            batch, repeats = self._take()
            if batch:
                await self._book(batch)
                self._answer_repeats(batch, repeats)
            if not self._queue:
                self._arrived.clear()
            elif all(waiting.attempts for waiting in self._queue):
                await asyncio.sleep(_pause(min(waiting.attempts for waiting in self._queue)))

    def _take(self) -> tuple[list[_Waiting], _Repeats]:
        """Take the next batch from the queue; requests under one reference share the first one's turn."""
        batch: dict[str, _Waiting] = {}
        repeats: _Repeats = {}
        now = time.monotonic()
        while self._queue and len(batch) < self._settings.booking_batch_max:
            waiting = self._queue.popleft()
            if waiting.decided.done():  # Its client has gone.
                continue
            if now > waiting.deadline or waiting.attempts >= self._settings.booking_attempts_max:
                _refuse(waiting, _busy(waiting.new, unknown=waiting.unknown))
            elif waiting.new.reference in batch:
                repeats.setdefault(waiting.new.reference, []).append(waiting)
            else:
                batch[waiting.new.reference] = waiting
        return list(batch.values()), repeats

    async def _book(self, batch: Sequence[_Waiting]) -> None:
        """Book a batch, and give each of its members an answer or its place in the queue back."""
        BATCH_SIZE.observe(len(batch))
        for waiting in batch:
            waiting.attempts += 1
        try:
            async with self._pool.connection() as connection:
                outcomes = await book_batch(connection, [waiting.new for waiting in batch], self._settings)
        except asyncio.CancelledError:
            for waiting in batch:
                _refuse(waiting, _busy(waiting.new, unknown=True))
            raise
        except psycopg_pool.PoolTimeout:
            self._put_back(batch, "no_connection")
        except psycopg.Error as error:
            await self._failed(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lane lives on and the request is answered
            await self._failed(batch, error)
        else:
            self._answer(batch, outcomes)

    def _answer(self, batch: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        sold = {
            waiting.new.event
            for waiting, outcome in zip(batch, outcomes, strict=True)
            if isinstance(outcome, Decided) and outcome.bookings and not outcome.replayed
        }
        if sold:
            self._on_commit(sold)
        again = []
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, LookAgain):
                again.append(waiting)
            elif not waiting.decided.done():
                waiting.decided.set_result(outcome)
        self._put_back(again, "locked_tickets")

    async def _failed(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Run a batch again that failed for others' sake; of one that failed for its own, find the culprit."""
        if isinstance(error, psycopg.Error) and db.lost_race(error):
            self._put_back(batch, error.sqlstate or "conflict")
        elif isinstance(error, db.AWAY):
            for waiting in batch:
                waiting.unknown = True
            self._put_back(batch, "connection_lost")
        elif len(batch) > 1:
            for waiting in batch:
                await self._book([waiting])
        else:
            _log.error("booking %s failed", batch[0].new.reference, exc_info=error)
            _refuse(batch[0], InternalError("Something went wrong on our side; nothing was booked."))

    def _put_back(self, batch: Sequence[_Waiting], cause: str) -> None:
        if batch:
            BOOKING_RETRIES.labels(cause).inc(len(batch))
        self._queue.extendleft(reversed(batch))

    def _answer_repeats(self, batch: Sequence[_Waiting], repeats: _Repeats) -> None:
        """Answer the requests that had the reference of a member of the batch."""
        for first in batch:
            for repeat in repeats.get(first.new.reference, ()):
                answer = _repeat_answer(first, repeat.new)
                if answer is None:
                    self._queue.appendleft(repeat)
                elif not repeat.decided.done():
                    repeat.decided.set_result(answer)


def _repeat_answer(first: _Waiting, repeat: NewOrder) -> Decided | None:
    """Return a repeat's answer, None when it has to be looked up or tried again."""
    if not first.decided.done() or first.decided.cancelled() or first.decided.exception():
        return None
    if repeat.digest != first.new.digest:
        return None
    decided = first.decided.result()
    remembered = not isinstance(decided.answer, ApiError) or isinstance(decided.answer, PaymentDeclined)
    return msgspec.structs.replace(decided, replayed=True) if remembered else decided


def _busy(new: NewOrder, *, unknown: bool = False) -> Busy:
    message = "Very many people are booking right now, and nothing was booked: try again in a moment."
    if unknown:
        message = (
            "The connection to the database broke, and it is not known yet whether the booking went through: "
            "repeat the same request with the same reference to find out. It cannot be booked twice."
        )
    return Busy(message, retry_after_s=RETRY_AFTER_S, reference=new.reference)


def _refuse(waiting: _Waiting, error: ApiError) -> None:
    if not waiting.decided.done():
        waiting.decided.set_exception(error)


def _pause(attempts: int) -> float:
    return random.uniform(0, min(_PAUSE_FIRST_S * 2**attempts, _PAUSE_MAX_S))
