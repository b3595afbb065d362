"""The load generator: a separate process that sends requests over HTTP and measures the responses.

It reads a `Plan` from its standard input and writes a `LoadResult` to its standard output, both as JSON. It does
little work per request, so that the measurement shows the server. It builds the bytes in advance, and has one protocol
object per connection. It reads only the status, the length and a few fields of a response. Its result contains its own
share of a processor.

Closed loop (a kind without a rate): each connection sends the next request after a response. This measures the
maximum throughput. Open loop (kinds with rates): each request has a due time, independent of earlier responses. Its
latency counts from that time, so a stalled server cannot hide its delay.
"""

import asyncio
import contextlib
import gc
import random
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar, cast

import msgspec
import uvloop

from api.commands.bench.plan import Kind, KindResult, LoadResult, Plan, spread_of
from api.commands.bench.wire import Request, ResponseReader, UnreadableError, outcome_of

TICK_S = 0.001
"""Interval between checks for due requests; a shorter one would be busy waiting."""
GRACE_S = 5.0
"""The longest wait for responses after the last request."""
RECONNECT_PAUSE_S = 0.02

_NO_RESPONSE = "no response"
_NOT_SENT = "no free connection"
_CUT = "connection lost"
_UNREADABLE = "unreadable response"


class Tally:
    """Counters for the outcomes of one kind of request."""

    def __init__(self, kind: Kind) -> None:
        self._name = kind.name
        self._latencies_s = array("d")
        self._outcomes: Counter[str] = Counter()
        self._orders = self._tickets = self._unknown = 0

    def responded(self, status: int, body: bytes, latency_s: float, *, measured: bool) -> None:
        """Count a response; `measured` is True if its request belongs to the measured time."""
        if status == 201:
            self._orders += 1
            self._tickets += body.count(b'"ticketId":')
        elif status >= 500:
            self._unknown += 1  # `busy` is also the response to a commit with an unknown outcome.
        if measured:
            self._outcomes[outcome_of(status, body)] += 1
            if status < 400:
                self._latencies_s.append(latency_s)

    def failed(self, outcome: str, *, measured: bool, sent: bool = True) -> None:
        """Count a request without a response."""
        self._unknown += sent
        if measured:
            self._outcomes[outcome] += 1

    def result(self, seconds: float) -> KindResult:
        """Return the counts of `seconds` of measured time."""
        successes = len(self._latencies_s)
        return KindResult(
            name=self._name,
            due=self._outcomes.total(),
            per_s=round(successes / seconds, 1),
            latency_ms=spread_of(self._latencies_s),
            outcomes=dict(self._outcomes),
            errors=self._outcomes.total() - successes,
            orders_acknowledged=self._orders,
            tickets_acknowledged=self._tickets,
            unknown=self._unknown,
        )


class _Source:
    """The requests of one kind and the counters for their outcomes."""

    def __init__(self, kind: Kind, plan: Plan) -> None:
        self.rate = kind.rate
        self.request = Request(kind, plan.host, plan.port)
        self.tally = Tally(kind)


class _Task:
    """A request that waits for a connection or for its response."""

    __slots__ = ("due", "measured", "source")

    def __init__(self, due: float, source: _Source, *, measured: bool) -> None:
        self.due = due
        self.source = source
        self.measured = measured


class _Connection(asyncio.Protocol):
    """A kept-alive connection with at most one request in progress."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._reader = ResponseReader()
        self._transport: asyncio.Transport | None = None
        self._task: _Task | None = None

    @property
    def busy(self) -> bool:
        return self._task is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._load.ready(self)

    def send(self, task: _Task) -> None:
        self._task = task
        if self._transport:
            self._transport.write(task.source.request.next())

    def data_received(self, data: bytes) -> None:
        try:
            response = self._reader.feed(data)
        except UnreadableError:
            self.end(_UNREADABLE)
            return
        if response and (task := self._task):
            self._task = None
            latency_s = time.perf_counter() - task.due
            task.source.tally.responded(*response, latency_s, measured=task.measured)
            self._load.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self.end(_CUT)
        self._load.lost(self)

    def end(self, outcome: str) -> None:
        """Close the connection; count the request in progress as failed."""
        if task := self._task:
            self._task = None
            task.source.tally.failed(outcome, measured=task.measured)
        if self._transport:
            self._transport.close()


class _Load:
    """The connections of a plan and the requests on them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sources = [_Source(kind, plan) for kind in plan.kinds]
        self._open_loop = any(source.rate for source in self._sources)
        self._connections: set[_Connection] = set()
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[_Task] = deque()
        self._waiting_max = 0
        self._lateness_s = array("d")
        self._from = self._until = 0.0
        self._over = False

    async def run(self) -> LoadResult:
        """Send the requests of the plan; return after all of them have an outcome."""
        started = time.perf_counter()
        self._from = started + self._plan.warmup_s
        self._until = self._from + self._plan.seconds
        await asyncio.gather(*(self._connect() for _ in range(self._plan.connections)))
        schedule = asyncio.create_task(self._send_when_due(started)) if self._open_loop else None
        await asyncio.sleep(self._from - time.perf_counter())
        cpu_before, measured_from = time.process_time(), time.perf_counter()
        await asyncio.sleep(self._until - time.perf_counter())
        cpu_share = (time.process_time() - cpu_before) / (time.perf_counter() - measured_from)
        if schedule:
            await schedule
        await self._finish()
        return LoadResult(
            seconds=self._plan.seconds,
            kinds=[source.tally.result(self._plan.seconds) for source in self._sources],
            cpu_share=round(cpu_share, 3),
            lateness_ms=spread_of(self._lateness_s),
            waiting_max=self._waiting_max,
        )

    def ready(self, connection: _Connection) -> None:
        """Send the next request on a free connection."""
        if self._waiting:
            connection.send(self._waiting.popleft())
            return
        now = time.perf_counter()
        if self._open_loop or now >= self._until:
            self._idle.append(connection)
        else:
            connection.send(_Task(now, self._sources[0], measured=now >= self._from))

    def lost(self, connection: _Connection) -> None:
        """Replace a lost connection."""
        self._connections.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
        if not self._over:
            task = asyncio.create_task(self._reconnect())
            self._reconnecting.add(task)
            task.add_done_callback(self._reconnecting.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self), self._plan.host, self._plan.port)
        self._connections.add(connection)

    async def _reconnect(self) -> None:
        while not self._over:
            await asyncio.sleep(RECONNECT_PAUSE_S)
            try:
                await self._connect()
            except OSError:
                continue
            return

    async def _send_when_due(self, started: float) -> None:
        for due, source in schedule_of(self._sources, self._plan.warmup_s + self._plan.seconds):
            task = _Task(started + due, source, measured=due >= self._plan.warmup_s)
            now = time.perf_counter()
            if task.due > now:
                await asyncio.sleep(max(task.due - now, TICK_S))
            if task.measured:
                self._lateness_s.append(time.perf_counter() - task.due)
            if self._idle:
                self._idle.popleft().send(task)
            else:
                self._waiting.append(task)
                self._waiting_max = max(self._waiting_max, len(self._waiting))

    async def _finish(self) -> None:
        deadline = time.perf_counter() + GRACE_S
        while self._in_progress() and time.perf_counter() < deadline:  # noqa: ASYNC110 - an event costs time per response
            await asyncio.sleep(TICK_S)
        self._over = True
        for task in self._waiting:
            task.source.tally.failed(_NOT_SENT, measured=task.measured, sent=False)
        for connection in list(self._connections):
            connection.end(_NO_RESPONSE)

    def _in_progress(self) -> bool:
        return bool(self._waiting) or any(connection.busy for connection in self._connections)


class Rated(Protocol):
    """An object with a rate."""

    @property
    def rate(self) -> float:
        """Return the requests per second."""


Source = TypeVar("Source", bound=Rated)


def schedule_of(sources: Sequence[Source], seconds: float) -> Iterator[tuple[float, Source]]:
    """Return the due times of all requests in ascending order, in seconds from the start, with their sources.

    Each request is due at a random moment of its own interval of `1 / rate`. The sources are therefore not in step,
    and each keeps its rate exactly.
    """
    random_ = random.Random(len(sources))
    moments = [
        (((number + random_.random()) / source.rate), index)
        for index, source in enumerate(sources)
        for number in range(int(source.rate * seconds))
    ]
    return ((due, sources[index]) for due, index in sorted(moments))


def main() -> int:
    """Run the plan on the standard input."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    gc.disable()  # Its pauses would count as latency of the server. A run leaves little garbage.
    result = uvloop.run(_Load(plan).run())
    sys.stdout.buffer.write(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
