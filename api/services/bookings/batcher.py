"""The booking batcher: group commit of booking requests, at most two transactions at a time in each API process.

Requests that arrive during a transaction join the next batch, up to a limit. An idle process books a single request
without delay. Under load the batches grow, so more requests share one commit and its flush to disk. No timer collects
requests. A second batch begins during a small one as soon as it is as large.

Requests with the same reference and content are one queued request with several waiters.

The queue is bounded, and each request gets a response in bounded time, even if the database does not respond.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
import psycopg
import psycopg_pool

from api.config import Settings
from api.database import session as database
from api.database.errors import CommitUnknownError, is_retryable, is_unavailable, waited_for_reference
from api.database.pool import Pool
from api.errors import ApiError, Busy, InternalError
from api.logs import order_label
from api.metrics import BATCH_SIZE, BOOKING_RETRIES
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy, Decision, Declined, NewOrder, Outcome, Refused, Retry
from api.services.order_rows import OrderRow

_log = logging.getLogger(__name__)

IN_FLIGHT_MAX = 2
"""The most batches in flight. One is prepared and answered while PostgreSQL works on the other."""
OVERLAPPED_MAX = 32
"""The largest batch beside which another one begins. A division of larger batches costs more than it gains."""
TRANSACTION_GRACE_S = 0.9
"""The time beyond `booking_wait_ms` that a running transaction gets before its requests are refused."""
_PAUSE_FIRST_S = 0.002
_PAUSE_MAX_S = 0.1
"""The pause before a retry is a random part of an interval that doubles with each attempt, up to the maximum."""

Waiter = asyncio.Future[Decision]


class QueuedRequest(msgspec.Struct, eq=False):
    """A request in the batcher; the first waiter is the request itself, the others are its repeats."""

    request: NewOrder
    deadline: float
    """The end of its attempts, by the monotonic clock in seconds."""
    waiters: list[Waiter]
    attempts: int = 0
    locked_out: int = 0
    """The attempts that ended because other transactions had locked the tickets. Their number has no limit."""
    running: bool = False
    commit_unknown: bool = False
    """True once a commit of an attempt may have succeeded."""
    unavailable: bool = False
    """True if the last attempt found no database."""

    def busy(self) -> Busy:
        """Return the refusal that fits the present state."""
        reference = self.request.reference
        if self.commit_unknown or self.running:
            return Busy(reference=reference, unknown=True)
        return Busy("database" if self.unavailable else "overload", reference=reference)

    def failure(self) -> ApiError:
        """Return the response to an unexpected error."""
        return self.busy() if self.commit_unknown else InternalError(booked_nothing=True)


class _Deadline(NamedTuple):
    """The time at which a waiter gets a refusal, by the event loop's clock in seconds."""

    at: float
    waiter: Waiter
    queued: QueuedRequest


class BookingBatcher:
    """Books requests in batches and returns decisions after their commit.

    `on_commit` receives the orders of each commit, confirmed or pending. `can_charge` returns whether the payment
    provider is available.
    """

    def __init__(
        self,
        pool: Pool,
        settings: Settings,
        on_commit: Callable[[Sequence[OrderRow]], None],
        can_charge: Callable[[], bool] = lambda: True,
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._policy = BookingPolicy.of(settings)
        self._waiting_s = settings.booking_wait_ms / 1000 + TRANSACTION_GRACE_S
        """The time after which a waiter gets a refusal."""
        self._on_commit = on_commit
        self._can_charge = can_charge
        self._open: dict[str, QueuedRequest] = {}
        """Queued and running requests by reference."""
        self._queue: deque[QueuedRequest] = deque()
        self._deadlines: deque[_Deadline] = deque()
        """Deadlines of the waiters, earliest first because all waiters wait equally long; one timer is enough."""
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._closed = False
        self._memory = Memory(left_max=settings.booking_batch_max)

    async def book(self, request: NewOrder) -> Decision:
        """Return the decision on a request after its commit.

        Raises:
            Busy: the request was not booked, or the error states that the outcome is unknown.
            InternalError: an unexpected error, which the log contains; the request was not booked.
        """
        queued = self._open.get(request.reference)
        if queued and not _are_alike(queued.request, request):
            return await self._book_after(queued, request)
        return await self._wait_for(queued or self._enqueue(request))

    async def _book_after(self, queued: QueuedRequest, request: NewOrder) -> Decision:
        """Return the decision on a request behind different requests with its reference.

        The decision depends on whether the other requests make an order. A refusal names an item by its number, so a
        repeat with another order of items gets a decision of its own. All waits together take as long as one.
        """
        try:
            async with asyncio.timeout(self._waiting_s):
                while not _are_alike(queued.request, request):
                    with contextlib.suppress(ApiError):
                        await self._wait_for(queued)
                    queued = self._open.get(request.reference) or self._enqueue(request)
                return await self._wait_for(queued)
        except TimeoutError:
            raise queued.busy() from None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Process the queue within the context; refuse the remaining requests as `busy` at its end."""
        task = asyncio.create_task(self._process_queue(), name="booking-batcher")
        try:
            yield
        finally:
            self._closed = True
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            for queued in list(self._open.values()):
                self._refuse(queued, queued.busy)
            if self._timer:
                self._timer.cancel()

    def _enqueue(self, request: NewOrder) -> QueuedRequest:
        deadline = time.monotonic() + self._settings.booking_wait_ms / 1000
        queued = QueuedRequest(request, deadline, [])
        if self._closed or len(self._queue) >= self._settings.booking_queue_max:
            raise queued.busy()
        self._open[request.reference] = queued
        self._queue.append(queued)
        self._changed.set()
        return queued

    def _wait_for(self, queued: QueuedRequest) -> Waiter:
        """Return a future for the decision, or for a refusal once the waiting time is over."""
        loop = asyncio.get_running_loop()
        waiter: Waiter = loop.create_future()
        queued.waiters.append(waiter)
        while self._deadlines and self._deadlines[0].waiter.done():  # The deque must not keep decided requests.
            self._deadlines.popleft()
        self._deadlines.append(_Deadline(loop.time() + self._waiting_s, waiter, queued))
        if self._timer is None:
            self._timer = loop.call_later(self._waiting_s, self._refuse_overdue)
        return waiter

    def _refuse_overdue(self) -> None:
        """Refuse the waiters whose deadline has passed, and set the timer for the next deadline."""
        loop = asyncio.get_running_loop()
        while self._deadlines and (self._deadlines[0].waiter.done() or self._deadlines[0].at <= loop.time()):
            _, waiter, queued = self._deadlines.popleft()
            if not waiter.done():
                waiter.set_exception(queued.busy())
        self._timer = loop.call_at(self._deadlines[0].at, self._refuse_overdue) if self._deadlines else None

    async def _process_queue(self) -> None:
        running: dict[asyncio.Task[None], int] = {}
        """The batches in flight, with their numbers of requests."""

        def end(task: asyncio.Task[None]) -> None:
            del running[task]
            self._changed.set()

        async with asyncio.TaskGroup() as group:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._queue and not running and all(queued.attempts for queued in self._queue):
                    await asyncio.sleep(_pause(min(queued.attempts for queued in self._queue)))
                while self._may_begin(running.values()):
                    if batch := self._next_batch():
                        task = group.create_task(self._book(batch), name="booking-batch")
                        running[task] = len(batch)
                        task.add_done_callback(end)

    def _may_begin(self, in_flight: Collection[int]) -> bool:
        """Return whether a batch may begin beside those in flight, given their numbers of requests.

        A second batch is worth its round trip only if it is as large as the first one. Repeated attempts wait, because
        the cause of their repetition may be a batch in flight.
        """
        if not in_flight:
            return bool(self._queue)
        if len(in_flight) == IN_FLIGHT_MAX or max(in_flight) > OVERLAPPED_MAX:
            return False
        return len(self._queue) >= max(in_flight) and not all(queued.attempts for queued in self._queue)

    def _next_batch(self) -> list[QueuedRequest]:
        """Take the next batch from the queue; refuse overdue requests and those that no waiter awaits any more."""
        batch: list[QueuedRequest] = []
        now = time.monotonic()
        while self._queue and len(batch) < self._settings.booking_batch_max:
            queued = self._queue.popleft()
            abandoned = all(waiter.done() for waiter in queued.waiters)
            failures = queued.attempts - queued.locked_out
            if abandoned or now > queued.deadline or failures >= self._settings.booking_attempts_max:
                self._refuse(queued, queued.busy)
            else:
                batch.append(queued)
        return batch

    async def _book(self, batch: Sequence[QueuedRequest]) -> None:
        """Book a batch; decide each of its requests or return it to the queue."""
        BATCH_SIZE.observe(len(batch))
        for queued in batch:
            queued.attempts += 1
            queued.running = True
            queued.unavailable = False
        outcomes: dict[str, Outcome] = {}
        failure: Exception | None = None
        try:
            async with database.open_session(self._pool) as session:
                policy = msgspec.structs.replace(self._policy, provider_available=self._can_charge())
                await book_batch(session, [queued.request for queued in batch], policy, self._memory, outcomes)
        except Exception as error:  # noqa: BLE001 - any error must leave the batcher running and decide each request
            failure = error
        # An outcome is final even if an error followed, such as the loss of the connection on its return to the pool.
        self._resolve([queued for queued in batch if queued.request.reference in outcomes], outcomes)
        undecided = [queued for queued in batch if queued.request.reference not in outcomes]
        if failure and undecided:
            await self._handle_failure(undecided, failure, ran_alone=len(batch) == 1)

    def _resolve(self, batch: Sequence[QueuedRequest], outcomes: Mapping[str, Outcome]) -> None:
        committed: list[OrderRow] = []
        retries: dict[str, list[QueuedRequest]] = defaultdict(list)
        for queued in batch:
            match outcome := outcomes[queued.request.reference]:
                case Retry(cause):
                    queued.commit_unknown |= cause == "in_flight"
                    queued.locked_out += cause == "locked_tickets"
                    retries[cause].append(queued)
                    continue
                case Booked(order, replayed=False):
                    committed.append(order)
            del self._open[queued.request.reference]
            for number, waiter in enumerate(queued.waiters):
                if not waiter.done():
                    waiter.set_result(_as_repeat(outcome) if number else outcome)
        if committed:
            self._on_commit(committed)
        for shared_cause, requests in retries.items():
            self._requeue(requests, shared_cause)

    async def _handle_failure(self, batch: Sequence[QueuedRequest], error: Exception, *, ran_alone: bool) -> None:
        """Retry the undecided requests of a batch after a transient error; otherwise run them singly.

        A request that ran alone is the cause of a lasting error, and is refused.
        """
        match error:
            case psycopg.Error() if waited_for_reference(error):
                if not ran_alone:
                    await self._book_singly(batch)
                else:
                    batch[0].commit_unknown = True
                    self._requeue(batch, "in_flight")
            case psycopg.Error(sqlstate=str(sqlstate)) if is_retryable(error):
                self._requeue(batch, sqlstate)
            case CommitUnknownError():
                for queued in batch:
                    queued.commit_unknown = True
                self._requeue(batch, "commit_unknown")
            case psycopg.errors.QueryCanceled():
                self._requeue(batch, "timeout")
            case _ if isinstance(error, psycopg_pool.PoolTimeout) or is_unavailable(error):
                for queued in batch:
                    queued.unavailable = True
                self._requeue(batch, "no_database")
            case _ if not ran_alone:
                await self._book_singly(batch)
            case _:
                _log.error("Booking %s failed", order_label(batch[0].request.reference), exc_info=error)
                self._refuse(batch[0], batch[0].failure)

    async def _book_singly(self, batch: Sequence[QueuedRequest]) -> None:
        for queued in batch:
            if all(waiter.done() for waiter in queued.waiters):  # Each has got a refusal in the meantime.
                self._refuse(queued, queued.busy)
            else:
                await self._book([queued])

    def _requeue(self, batch: Sequence[QueuedRequest], cause: str) -> None:
        """Return requests to the head of the queue."""
        BOOKING_RETRIES.labels(cause).inc(len(batch))
        for queued in batch:
            queued.running = False
        self._queue.extendleft(reversed(batch))

    def _refuse(self, queued: QueuedRequest, error: Callable[[], ApiError]) -> None:
        del self._open[queued.request.reference]
        for waiter in queued.waiters:
            if not waiter.done():
                waiter.set_exception(error())


def _are_alike(one: NewOrder, other: NewOrder) -> bool:
    """Return whether the same response fits two requests with the same reference."""
    return one.digest == other.digest and one.items == other.items and one.itemized == other.itemized


def _as_repeat(decision: Decision) -> Decision:
    """Return the decision on a repeat of a request that ran in the same batch."""
    match decision:
        case Booked() | Declined():
            return msgspec.structs.replace(decision, replayed=True)
        case Refused():
            return decision


def _pause(attempts: int) -> float:
    """Return the pause before a retry, in seconds."""
    return random.uniform(0, min(_PAUSE_FIRST_S * 2**attempts, _PAUSE_MAX_S))
