"""Load test: 10,000 browsers load the event's page and poll as the page does, while some of them book.

`python -m tests.webapp.load_test` starts its own system and simulates the browsers in a few processes. Each browser
requests the page's files, then polls the counts and the seat states over its own connection. Bookings start at a steady
rate, even if earlier bookings are unfinished. The command prints the response times and the servers' memory and
processor time. It fails if an acknowledged booking is not in the database or a request failed.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import re
import resource
import secrets
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import psycopg
import uvloop

from api.commands.seed import parse_inventory, seed
from api.database.migrations import migrate
from api.schemas import BUILT_IN_EVENT
from tests.stack import ROOT, Stack, embedded_server, empty_database, temporary_directory

BROWSERS_MAX = 15_000
SECONDS_MAX = 600
RATE_MAX = 1_000
POLL_EVERY_S = 2.0
EVENT_EVERY = 7
"""Rounds of polling after which a page reads the event as well: every 15 s."""
SETTLE_S = 15.0
"""Time for the processes to start, and for queues to empty before the first booking."""
RESPONSE_TIMEOUT_S = 45.0
"""Longer than a page waits for the outcome of a purchase."""
BOOKING_TRIES = 5
"""Number of times that a page sends a booking with one key while the API is busy."""
SPARE_FILES = 500
TARGET_P95_MS = 300.0
RESULT = ROOT / ".test-artifacts" / "load_test.json"

_QUERY = f"?event={BUILT_IN_EVENT}"
_POLLED = (f"/api/tickets/availability{_QUERY}", f"/api/tickets/states{_QUERY}")
_EVENT = f"/api/events/{BUILT_IN_EVENT}"
_PAGE = f"/event/{BUILT_IN_EVENT}"
_FILE = re.compile(rb'"(/assets/[^"]+\.js)"')
_ETAG = re.compile(rb"\r\netag: ([^\r]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True)
class Plan:
    """The size and the rates of a load test."""

    browsers: int
    seconds: int
    """Duration of the bookings."""
    rate: float
    """Bookings per second; each browser books at most once."""
    arrivals: float
    """Browsers that arrive per second."""
    processes: int
    """Processes that simulate the browsers."""

    def share(self, number: int) -> "Plan":
        """Return the part of one process."""
        browsers = self.browsers // self.processes + (number < self.browsers % self.processes)
        return Plan(browsers, self.seconds, self.rate / self.processes, self.arrivals / self.processes, 1)


@dataclass
class Usage:
    """Memory in kB (`pss` shares what several processes have) and processor time in seconds of a process group."""

    pss_kb: int
    cpu_s: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read the usage of a process and its children. Only Linux has these files."""
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pids = [pid, *map(int, children)]
        rollups = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in pids]
        times = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:13] for each in pids]
        pss = sum(int(kb) for rollup in rollups for kb in re.findall(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE))
        return cls(pss, sum(sum(map(int, each)) for each in times) / os.sysconf("SC_CLK_TCK"))


@dataclass
class Measured:
    """All observations; times in milliseconds."""

    load_ms: list[float] = field(default_factory=list)
    book_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    """Delay of a booking in the generator itself."""
    poll_ms: list[float] = field(default_factory=list)
    """Polls while bookings run."""
    files: Counter[str] = field(default_factory=Counter)
    polls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    sent: int = 0
    repeats: int = 0
    """Bookings that were repeated because the API was busy."""

    def add(self, other: "Measured") -> None:
        """Add another process's observations."""
        for name in ("load_ms", "book_ms", "late_ms", "poll_ms"):
            getattr(self, name).extend(getattr(other, name))
        for name in ("files", "polls", "errors"):
            getattr(self, name).update(getattr(other, name))
        self.acknowledged |= other.acknowledged
        self.sent += other.sent
        self.repeats += other.repeats


@dataclass(frozen=True)
class Response:
    status: int
    head: bytes
    body: bytes


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection that sends a request after the response to the last one."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._response: asyncio.Future[Response] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports have another base

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._response is None:
            return
        head = bytes(self._received[: end + 2])
        length = _LENGTH.search(head)
        body_end = end + 4 + (int(length[1]) if length else 0)
        if len(self._received) < body_end:
            return
        response = Response(int(head[9:12]), head, bytes(self._received[end + 4 : body_end]))
        self._received.clear()
        if not self._response.done():
            self._response.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._response is not None and not self._response.done():
            self._response.set_exception(ConnectionError(f"connection lost: {exc!r}"))

    async def request(self, method: str, path: str, headers: str = "", body: bytes = b"") -> Response:
        """Send a request and wait for its response.

        Raises:
            ConnectionError, TimeoutError: there is none.
        """
        assert self._transport is not None
        self._response = asyncio.get_running_loop().create_future()
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self._transport.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n".encode() + body)
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            return await self._response

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Poller(asyncio.Protocol):
    """A browser's connection for polling. It needs no task, so that ten thousand of them are cheap."""

    def __init__(self, origin: str, measured: Measured) -> None:
        self._origin = origin
        self._measured = measured
        self._etags: dict[str, str] = {}
        self._turns = itertools.count()
        self._waiting: list[str] = []
        self._received = b""
        self._sent_at = 0.0
        self._next: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._begin_turn()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        self._measured.poll_ms.append((time.perf_counter() - self._sent_at) * 1000)
        self._measured.polls[head[9:12].decode()] += 1
        if etag := _ETAG.search(head):
            self._etags[self._waiting[0]] = etag[1].decode()
        del self._waiting[0]
        if self._waiting:
            self._ask()
        else:
            self._next = asyncio.get_running_loop().call_later(POLL_EVERY_S, self._begin_turn)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self._measured.errors[f"poll: connection lost ({exc!r})"] += 1

    def close(self) -> None:
        self._closing = True
        if self._next is not None:
            self._next.cancel()
        if self._transport is not None:
            self._transport.close()

    def _begin_turn(self) -> None:
        reads_event = next(self._turns) % EVENT_EVERY == 0
        self._waiting = [*_POLLED, *([_EVENT] if reads_event else [])]
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        path = self._waiting[0]
        known = f"If-None-Match: {self._etags[path]}\r\n" if path in self._etags else ""
        self._sent_at = time.perf_counter()
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{self._origin}{known}\r\n".encode())


class Browser:
    """A browser on the event's page: it loads the files, polls, and may book."""

    def __init__(self, name: str, ports: tuple[int, int], measured: Measured) -> None:
        self._name = name
        self._web_port, self._api_port = ports
        self._origin = f"Origin: http://localhost:{self._web_port}\r\n"
        self._measured = measured
        self._poller: Poller | None = None

    async def arrive(self, _due: float) -> None:
        """Load the page's files, and begin to poll."""
        began = time.perf_counter()
        with self._counting("load"):
            connection = await Connection.open(self._web_port)
            encoding = "Accept-Encoding: br\r\n"
            page = await connection.request("GET", _PAGE)
            self._measured.files[str(page.status)] += 1
            for path in sorted(set(_FILE.findall(page.body))):
                file = await connection.request("GET", path.decode(), encoding)
                self._measured.files[str(file.status)] += 1
            connection.close()
            self._measured.load_ms.append((time.perf_counter() - began) * 1000)
        with self._counting("poll"):
            loop = asyncio.get_running_loop()
            _, self._poller = await loop.create_connection(
                lambda: Poller(self._origin, self._measured), "127.0.0.1", self._api_port
            )

    async def book(self, due: float) -> None:
        """Book one ticket as the page does: preflight, booking, and the order's page."""
        self._measured.sent += 1
        began = time.perf_counter()
        self._measured.late_ms.append((began - due) * 1000)
        reference = "bk_" + "".join(secrets.choice(_BASE32) for _ in range(26))
        body = {"tier": "GA", "quantity": 1, "userId": self._name, "bookingReference": reference}
        preflight = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n"
        with self._counting("booking"):
            connection = await Connection.open(self._api_port)
            await connection.request("OPTIONS", f"/api/bookings{_QUERY}", self._origin + preflight)
            for attempt in range(1, BOOKING_TRIES + 1):
                response = await connection.request(
                    *("POST", f"/api/bookings{_QUERY}"),
                    f"{self._origin}Content-Type: application/json\r\n",
                    json.dumps(body).encode(),
                )
                if response.status != 503 or attempt == BOOKING_TRIES:
                    break
                self._measured.repeats += 1
                await asyncio.sleep(1)
            if response.status != 201:
                raise ConnectionError(f"status {response.status}")
            self._measured.book_ms.append((time.perf_counter() - began) * 1000)
            self._measured.acknowledged.add(reference)
            await connection.request("GET", f"/api/bookings/{reference}", self._origin)
            connection.close()

    def leave(self) -> None:
        """Close the tab."""
        if self._poller is not None:
            self._poller.close()

    @contextlib.contextmanager
    def _counting(self, action: str) -> Iterator[None]:
        """Count a failure instead of raising it."""
        try:
            yield
        except (OSError, TimeoutError) as error:
            self._measured.errors[f"{action}: {error!r}"] += 1


# --- A process that simulates browsers -----------------------------------------------------------------------


def play(number: int, plan: Plan, ports: tuple[int, int], start_booking_at: float) -> Measured:
    """Simulate one process's share of the browsers. `start_booking_at` is a time of the system's clock."""
    return uvloop.run(_play(number, plan, ports, start_booking_at))


async def _play(number: int, plan: Plan, ports: tuple[int, int], start_booking_at: float) -> Measured:
    measured = Measured()
    browsers = [Browser(f"load-{number}-{each}", ports, measured) for each in range(plan.browsers)]
    await _in_turn(plan.arrivals, [browser.arrive for browser in browsers])
    if (wait_s := start_booking_at - time.time()) < 0:
        measured.errors["the browsers arrived too late for the bookings"] += 1
    await asyncio.sleep(wait_s)
    measured.poll_ms.clear()
    bookings = min(round(plan.rate * plan.seconds), plan.browsers)
    await _in_turn(plan.rate, [browser.book for browser in browsers[:bookings]])
    for browser in browsers:
        browser.leave()
    return measured


async def _in_turn(rate: float, jobs: Sequence[Callable[[float], Awaitable[None]]]) -> None:
    """Start jobs at a rate per second, even if earlier jobs are unfinished, and wait for all of them."""
    began = time.perf_counter()
    running = []
    for number, job in enumerate(jobs):
        due = began + number / rate
        await asyncio.sleep(due - time.perf_counter())
        running.append(asyncio.ensure_future(job(due)))
    await asyncio.gather(*running)


# --- The run ---------------------------------------------------------------------------------------------


async def measure(plan: Plan, stack: Stack) -> dict[str, Any]:
    """Let the browsers arrive, book and leave; return the figures."""
    pids = {name: stack._processes[name].popen.pid for name in ("web", "api")}
    before = {name: Usage.of(pid) for name, pid in pids.items()}
    began = time.time()
    arrival_s = plan.browsers / plan.arrivals * 1.5 + SETTLE_S
    ports = (stack.web_port, stack.api_port)
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(plan.processes, mp_context=context) as pool:
        _say(f"{plan.browsers} browsers arrive, {plan.arrivals:g} per second")
        playing = [
            loop.run_in_executor(pool, play, number, plan.share(number), ports, began + arrival_s)
            for number in range(plan.processes)
        ]
        await asyncio.sleep(began + arrival_s - time.time())
        connected = {name: Usage.of(pid) for name, pid in pids.items()}
        idle_s = _idle_s()
        _say(f"they book, {plan.rate:g} per second")
        await asyncio.sleep(plan.seconds)
        booked = {name: Usage.of(pid) for name, pid in pids.items()}
        idle_s = _idle_s() - idle_s
        measured = Measured()
        for each in await asyncio.gather(*playing):
            measured.add(each)
    return {
        "plan": asdict(plan),
        "bookings": measured.sent,
        "repeats": measured.repeats,
        **{name: _spread(getattr(measured, name)) for name in ("load_ms", "book_ms", "late_ms", "poll_ms")},
        "cores": os.cpu_count(),
        "idle_cores_while_booking": round(idle_s / plan.seconds, 2),
        "polls_per_s": round(len(measured.poll_ms) / plan.seconds),
        "files": dict(measured.files),
        "polls": dict(measured.polls),
        "servers": {
            name: {
                "mb_before": round(before[name].pss_kb / 1024),
                "mb_connected": round(connected[name].pss_kb / 1024),
                "cores_while_arriving": round((connected[name].cpu_s - before[name].cpu_s) / arrival_s, 2),
                "cores_while_booking": round((booked[name].cpu_s - connected[name].cpu_s) / plan.seconds, 2),
            }
            for name in pids
        },
        "errors": dict(measured.errors),
        "acknowledged": len(measured.acknowledged),
        "in_database": _confirmed(stack.database_url, measured.acknowledged),
        "log": stack.logs()[-2000:],
    }


def _idle_s() -> float:
    """Return the idle time of all cores since the machine's start. Only Linux has this file."""
    return float(Path("/proc/uptime").read_text().split()[1])


def _confirmed(database_url: str, acknowledged: set[str]) -> list[int]:
    """Return the number of confirmed orders, and of the acknowledged ones among them."""
    with psycopg.connect(database_url) as conn:
        rows = conn.execute("select reference from orders where status = 'confirmed'").fetchall()
    found = {reference for (reference,) in rows}
    return [len(found), len(found & acknowledged)]


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values) or [0.0]
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1) for name, share in shares.items()}


def failures(result: dict[str, Any]) -> list[str]:
    """Return what is wrong with a run. Slowness depends on the machine as well, and is no failure."""
    wrong = [f"{count} x {error}" for error, count in result["errors"].items()]
    confirmed, found = result["in_database"]
    if not confirmed == found == result["acknowledged"] == result["bookings"]:
        wrong.append(
            f"{result['bookings']} bookings were sent, {result['acknowledged']} acknowledged; "
            f"{confirmed} are confirmed in the database, {found} of the acknowledged ones among them"
        )
    for name in ("files", "polls"):
        statuses = {status: count for status, count in result[name].items() if status not in {"200", "304"}}
        wrong += [f"{count} x {name} with status {status}" for status, count in statuses.items()]
    return wrong


def _table(result: dict[str, Any]) -> Iterator[str]:
    yield f"{'ms':<34}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}"
    for name, key in (
        ("a page with its files", "load_ms"),
        ("a booking, preflight included", "book_ms"),
        ("a poll, while bookings run", "poll_ms"),
        ("a booking's delay in the generator", "late_ms"),
    ):
        yield f"{name:<34}" + "".join(f"{value:>9.1f}" for value in result[key].values())
    yield ""
    yield f"{'':<34}{'MB':>9}{'MB':>9}{'cores':>9}{'cores':>9}"
    yield f"{'':<34}{'before':>9}{'with all':>9}{'arriving':>9}{'booking':>9}"
    for name, usage in result["servers"].items():
        yield f"{name:<34}" + "".join(f"{value:>9}" for value in usage.values())
    yield f"{result['idle_cores_while_booking']} of {result['cores']} cores idle while bookings run"
    yield ""
    yield f"files: {result['files']}; polls: {result['polls']}, {result['polls_per_s']} per second while bookings run"
    verdict = "held" if result["book_ms"]["p95"] < TARGET_P95_MS else "MISSED"
    yield f"{result['acknowledged']} bookings acknowledged, {result['repeats']} repeats because the API was busy"
    yield f"p95 of a booking under {TARGET_P95_MS:.0f} ms: {verdict}"


async def run(plan: Plan) -> dict[str, Any]:
    """Start a system with enough tickets, measure, stop it."""
    with embedded_server() as server, empty_database(server) as url, temporary_directory() as directory:
        migrate(url)
        seed(url, inventory=parse_inventory(f"VIP=100,Front Row=200,GA={plan.browsers + 1000}"))
        stack = Stack(url, directory, {"API_WORKERS": str(os.cpu_count() or 1), "PAYMENT_SUCCESS_RATE": "1"})
        try:
            await stack.start_api()
            await stack.start_web()
            return await measure(plan, stack)
        finally:
            await stack.stop()


def _raise_file_limit(plan: Plan) -> None:
    """Allow this process and its children, the servers included, as many connections as the plan needs."""
    needed = plan.browsers + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"{needed} open files are needed, and {hard} are allowed: choose fewer --browsers.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))


def _plan(arguments: Sequence[str]) -> Plan:
    parser = argparse.ArgumentParser(prog="make crowd", description=__doc__, allow_abbrev=False)
    parser.add_argument("--browsers", type=int, default=10_000, help=f"at most {BROWSERS_MAX}")
    parser.add_argument("--seconds", type=int, default=40, help=f"duration of the bookings, at most {SECONDS_MAX}")
    parser.add_argument("--rate", type=float, default=100, help=f"bookings per second, at most {RATE_MAX}")
    parser.add_argument("--arrivals", type=float, default=100, help="browsers that arrive per second")
    parser.add_argument("--processes", type=int, default=2, help="processes that simulate the browsers")
    chosen = parser.parse_args(arguments)
    limits = {"browsers": BROWSERS_MAX, "seconds": SECONDS_MAX, "rate": RATE_MAX, "arrivals": 1000, "processes": 16}
    for name, most in limits.items():
        if not 0 < getattr(chosen, name) <= most:
            parser.error(f"--{name} must be more than 0 and at most {most}")
    return Plan(chosen.browsers, chosen.seconds, chosen.rate, chosen.arrivals, chosen.processes)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Run the load test; return 0 if each booking was acknowledged and stored, and no request failed."""
    plan = _plan(arguments)
    _raise_file_limit(plan)
    result = asyncio.run(run(plan))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2), encoding="utf-8")
    for line in _table(result):
        _say(line)
    wrong = failures(result)
    for line in wrong:
        _say(f"WRONG: {line}")
    if wrong:
        _say(result["log"])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
