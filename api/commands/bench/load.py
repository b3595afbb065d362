"""The load generator: a process of its own that sends requests over HTTP and times the answers.

It reads a `Plan` from its standard input and writes a `LoadResult` to its standard output, both JSON. It is
lean, so that what is measured is the server: bytes made before they are needed, one protocol object for each
kept-alive connection, no more of an answer read than its status, its length and a search of its body. How much of
a processor it took all the same is part of the result.

Closed loop (a kind without a rate): each connection sends the next request when it has an answer: the ceiling.
Open loop (kinds with rates): each request has a moment at which it is due, whatever became of those before, and
its latency counts from there: a server that stalls cannot hide it by being asked less often.
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

TICK_S = 0.001
"""The generator looks this often for what is due: more often than the event loop's timers would be busy waiting."""
GRACE_S = 5.0
"""How long after the last request its answer is waited for."""
RECONNECT_PAUSE_S = 0.02
ANSWER_BYTES_MAX = 1_000_000
NUMBER = "{number}"
"""Stands in a body for the request's number, in `NUMBER_DIGITS` digits: each booking is another buyer's."""
NUMBER_DIGITS = 8

_NO_ANSWER = "no answer"
_NOT_SENT = "no free connection"
_CUT = "connection lost"
_UNREADABLE = "unreadable answer"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of request; `rate`: so many a second, 0: as many as are answered."""

    name: str
    method: str = "GET"
    path: str
    body: str = ""
    rate: float = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: either one kind without a rate, or any number of kinds with one."""

    port: int
    host: str = "127.0.0.1"
    connections: int
    """Closed loop: so many requests are under way at any time. Open loop: at most so many."""
    warmup_s: float
    seconds: float
    """What is measured, after the warm-up."""
    kinds: list[Kind]


class Spread(msgspec.Struct, frozen=True):
    """How times are spread, in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


class KindResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a kind's requests."""

    name: str
    due: int
    """Requests of the measured time."""
    per_s: float
    """Those of them that succeeded, in a second."""
    latency_ms: Spread | None
    """Of those that succeeded; None: there is none."""
    answers: dict[str, int]
    """Every request of the measured time by what became of it: `201`, `503 busy`, `connection lost`."""
    errors: int
    """Those of them that did not succeed."""
    orders_acknowledged: int
    """Answers 201, warm-up included."""
    tickets_acknowledged: int
    """The tickets in them."""
    unknown: int
    """Requests without an answer that tells what became of them, warm-up included."""


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a load was answered with, and what it took the generator."""

    seconds: float
    kinds: list[KindResult]
    cpu_share: float
    """The generator's share of one processor in the measured time; near 1 it was the bottleneck."""
    lateness_ms: Spread | None = None
    """Open loop: how long after they were due requests were looked at."""
    waiting_max: int = 0
    """Open loop: the most requests that were due while every connection was busy; the server fell behind."""


def spread_of(seconds: Sequence[float]) -> Spread | None:
    """Return the percentiles of times, by the nearest rank, and the longest."""
    if not seconds:
        return None
    ordered = sorted(seconds)

    def at(percent: int) -> float:
        rank = -(-len(ordered) * percent // 100)
        return round(ordered[rank - 1] * 1000, 3)

    return Spread(at(50), at(95), at(99), round(ordered[-1] * 1000, 3))


class UnreadableError(Exception):
    """An answer is not the HTTP that this generator reads."""


class AnswerReader:
    """Reads the answers of one connection from whatever pieces they arrive in."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> tuple[int, bytes] | None:
        """Take a piece; return the status and the body when it completes an answer.

        Raises:
            UnreadableError: this is no HTTP/1.1 answer with a length, or more than one.
        """
        if self._held:
            data = self._held + data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            self._hold(data)
            return None
        status, length = _read_head(data[: head_end + 2])
        end = head_end + 4 + length
        if len(data) < end:
            self._hold(data)
            return None
        if len(data) > end:
            raise UnreadableError("bytes after the answer's end")
        self._held = b""
        return status, data[head_end + 4 :]

    def _hold(self, data: bytes) -> None:
        if len(data) > ANSWER_BYTES_MAX:
            raise UnreadableError("the answer is too long")
        self._held = data


def _read_head(head: bytes) -> tuple[int, int]:
    """Return an answer's status and the length of its body."""
    if not head.startswith(b"HTTP/1.1 ") or not head[9:12].isdigit():
        raise UnreadableError("not an HTTP/1.1 answer")
    status = int(head[9:12])
    if status in (204, 304):
        return status, 0
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    value = rest.partition(b"\r\n")[0].strip()
    if not found or not value.isdigit():
        raise UnreadableError("no Content-Length")
    return status, int(value)


def outcome_of(status: int, body: bytes) -> str:
    """Return what an answer counts as: its status, with a refusal's code."""
    if status < 400:
        return str(status)
    _, _, rest = body.partition(b'"code":"')
    code = rest.partition(b'"')[0].decode(errors="replace")
    return f"{status} {code}".strip()


class Request:
    """A kind of request as bytes, all but the number made in advance."""

    def __init__(self, kind: Kind, host: str, port: int) -> None:
        length = len(kind.body.replace(NUMBER, "0" * NUMBER_DIGITS).encode())
        content = f"Content-Type: application/json\r\nContent-Length: {length}\r\n" if kind.body else ""
        head = f"{kind.method} {kind.path} HTTP/1.1\r\nHost: {host}:{port}\r\n{content}\r\n"
        self._parts = f"{head}{kind.body}".encode().split(NUMBER.encode())
        self._number = 0

    def next(self) -> bytes:
        """Return the next request."""
        self._number += 1
        return str(self._number).zfill(NUMBER_DIGITS).encode().join(self._parts)


class Tally:
    """Counts what becomes of the requests of one kind."""

    def __init__(self, kind: Kind) -> None:
        self._name = kind.name
        self._latencies_s = array("d")
        self._answers: Counter[str] = Counter()
        self._orders = self._tickets = self._unknown = 0

    def answered(self, status: int, body: bytes, latency_s: float, *, measured: bool) -> None:
        """Count an answer; `measured`: its request belongs to the measured time."""
        if status == 201:
            self._orders += 1
            self._tickets += body.count(b'"ticketId":')
        elif status >= 500:
            self._unknown += 1  # `busy` is also said when a commit's outcome is not known
        if measured:
            self._answers[outcome_of(status, body)] += 1
            if status < 400:
                self._latencies_s.append(latency_s)

    def failed(self, outcome: str, *, measured: bool, sent: bool = True) -> None:
        """Count a request that was not answered."""
        self._unknown += sent
        if measured:
            self._answers[outcome] += 1

    def result(self, seconds: float) -> KindResult:
        """Return the counts; `seconds`: the measured time."""
        good = len(self._latencies_s)
        return KindResult(
            name=self._name,
            due=self._answers.total(),
            per_s=round(good / seconds, 1),
            latency_ms=spread_of(self._latencies_s),
            answers=dict(self._answers),
            errors=self._answers.total() - good,
            orders_acknowledged=self._orders,
            tickets_acknowledged=self._tickets,
            unknown=self._unknown,
        )


class _Source:
    """Where the requests of one kind come from, and where their answers are counted."""

    def __init__(self, kind: Kind, plan: Plan) -> None:
        self.rate = kind.rate
        self.request = Request(kind, plan.host, plan.port)
        self.tally = Tally(kind)


class _Task:
    """A request that is to be sent, or is under way."""

    __slots__ = ("due", "measured", "source")

    def __init__(self, due: float, source: _Source, *, measured: bool) -> None:
        self.due = due
        self.source = source
        self.measured = measured


class _Connection(asyncio.Protocol):
    """A kept-alive connection, with one request under way at most."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._reader = AnswerReader()
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
            answer = self._reader.feed(data)
        except UnreadableError:
            self.end(_UNREADABLE)
            return
        if answer and (task := self._task):
            self._task = None
            latency_s = time.perf_counter() - task.due
            task.source.tally.answered(*answer, latency_s, measured=task.measured)
            self._load.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self.end(_CUT)
        self._load.lost(self)

    def end(self, outcome: str) -> None:
        """Close, and count what is under way as unanswered."""
        if task := self._task:
            self._task = None
            task.source.tally.failed(outcome, measured=task.measured)
        if self._transport:
            self._transport.close()


class _Load:
    """The connections of a plan, and what is sent over them."""

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
        """Send what the plan says; return when all of it is answered or given up."""
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
        """Give a connection that is free its next request."""
        if self._waiting:
            connection.send(self._waiting.popleft())
            return
        now = time.perf_counter()
        if self._open_loop or now >= self._until:
            self._idle.append(connection)
        else:
            connection.send(_Task(now, self._sources[0], measured=now >= self._from))

    def lost(self, connection: _Connection) -> None:
        """Replace a connection that has ended."""
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
        while self._under_way() and time.perf_counter() < deadline:  # noqa: ASYNC110 - an event would cost each answer
            await asyncio.sleep(TICK_S)
        self._over = True
        for task in self._waiting:
            task.source.tally.failed(_NOT_SENT, measured=task.measured, sent=False)
        for connection in list(self._connections):
            connection.end(_NO_ANSWER)

    def _under_way(self) -> bool:
        return bool(self._waiting) or any(connection.busy for connection in self._connections)


class Rated(Protocol):
    """What has a rate."""

    @property
    def rate(self) -> float:
        """So many a second."""


Source = TypeVar("Source", bound=Rated)


def schedule_of(sources: Sequence[Source], seconds: float) -> Iterator[tuple[float, Source]]:
    """Yield when each source's requests are due, in seconds from the start, and in that order.

    A source's requests are as many as its rate says, each at a random moment of its share of the time: neither in
    step, nor by chance more.
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
    gc.disable()  # its pauses would be taken for the server's; what a run leaves behind is small
    result = uvloop.run(_Load(plan).run())
    sys.stdout.buffer.write(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
