"""A crowd: a thousand connected browsers, each polling what is left, and one after the other booking.

`python -m tests.webapp.crowd` starts a system of its own, connects socket clients exactly as browsers do, sends
bookings at a steady rate whether or not earlier ones were answered, and tells how long each took and what the web
app's process needs for each browser. It fails if an acknowledged booking is not in the database or anything
went wrong.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from api.commands.seed import parse_inventory, seed
from api.database.migrations import migrate
from tests.stack import ROOT, Stack, embedded_server, empty_database, temporary_directory
from tests.webapp.socket_browser import AppNames, SocketBrowser, Update, redirected_to

BROWSERS_MAX = 5_000
SECONDS_MAX = 600
RATE_MAX = 200
ARRIVALS_PER_S = 50
POLL_EVERY_S = 2.0
SETTLE_S = 5.0
"""After the last browser has come and before the last measures, so that queues are empty."""
ANSWER_TIMEOUT_S = 45.0
"""Longer than a purchase may take."""
CONNECTING_MAX = 50
TARGET_P95_MS = 300.0
RESULT = ROOT / ".test-artifacts" / "crowd.json"
_POLLED = (b"/api/tickets/availability", b"/api/tickets/states")
_ETAG = re.compile(rb"\r\netag: ([^\r]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Plan:
    """How large the crowd is, and what it does."""

    browsers: int
    seconds: int
    rate: float
    """Bookings a second. Each browser books once at most."""
    arrivals: float
    """Browsers that come each second."""


@dataclass
class Process:
    """What a process uses: memory in kB (`pss` shares what several have), processor time in seconds."""

    rss_kb: int
    pss_kb: int
    cpu_s: float

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Look at a process. Only Linux tells."""
        rollup = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE))
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return cls(int(rollup["Rss"]), int(rollup["Pss"]), sum(map(int, times)) / os.sysconf("SC_CLK_TCK"))


@dataclass
class Measured:
    """Everything that was seen; times in milliseconds."""

    connect_ms: list[float] = field(default_factory=list)
    book_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    """How much later than it was due the generator sent a booking."""
    poll_ms: list[float] = field(default_factory=list)
    polls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)


class Poller(asyncio.Protocol):
    """A browser's own connection to the API, over which it asks one thing, for as long as it is open."""

    def __init__(self, host: str, path: bytes, measured: Measured) -> None:
        self._host = host.encode()
        self._path = path
        self._measured = measured
        self._etag = b""
        self._answer = b""
        self._asked_at = 0.0
        self._next: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._measured.poll_ms.append((time.perf_counter() - self._asked_at) * 1000)
        self._measured.polls[head[9:12].decode()] += 1
        if etag := _ETAG.search(head):
            self._etag = etag[1]
        self._answer = b""
        self._next = asyncio.get_running_loop().call_later(POLL_EVERY_S, self._ask)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self._measured.errors[f"poll: connection lost ({exc!r})"] += 1

    def close(self) -> None:
        """Ask no more."""
        self._closing = True
        if self._next:
            self._next.cancel()
        if self._transport:
            self._transport.close()

    def _ask(self) -> None:
        assert self._transport
        known = b"If-None-Match: " + self._etag + b"\r\n" if self._etag else b""
        self._asked_at = time.perf_counter()
        self._transport.write(b"GET " + self._path + b" HTTP/1.1\r\nHost: " + self._host + b"\r\n" + known + b"\r\n")


class Visitor:
    """A browser on the event's page: its socket, its polling, and perhaps its booking."""

    def __init__(self, number: int, socket: SocketBrowser, measured: Measured) -> None:
        self.user_id = f"crowd-{number}"
        self.socket = socket
        self._measured = measured
        self._pollers: list[Poller] = []
        self._redirect: asyncio.Future[str] | None = None
        socket.see = self._see

    async def arrive(self, stack: Stack, connecting: asyncio.Semaphore) -> None:
        """Connect the socket and begin to poll, as a page does when it is opened."""
        async with connecting:
            began = time.perf_counter()
            try:
                await self.socket.connect()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                self._measured.errors[f"connect: {error}"] += 1
                return
            self._measured.connect_ms.append((time.perf_counter() - began) * 1000)
        host = f"127.0.0.1:{stack.api_port}"
        loop = asyncio.get_running_loop()
        for path in _POLLED:
            _, poller = await loop.create_connection(
                partial(Poller, host, path, self._measured), "127.0.0.1", stack.api_port
            )
            self._pollers.append(poller)

    async def book(self, due: float) -> None:
        """Send the form, wait for the way to the booking's page and go there."""
        self._redirect = asyncio.get_running_loop().create_future()
        sent = time.perf_counter()
        self._measured.late_ms.append((sent - due) * 1000)
        try:
            await self.socket.send(self.socket.names.booking(self.user_id))
            path = await asyncio.wait_for(self._redirect, ANSWER_TIMEOUT_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
            self._measured.errors[f"booking: {error!r}"] += 1
            return
        self._measured.book_ms.append((time.perf_counter() - sent) * 1000)
        self._measured.acknowledged.add(path.rpartition("/")[2])
        await self.socket.visit(path)

    async def leave(self) -> None:
        """Close the tab."""
        for poller in self._pollers:
            poller.close()
        for reason in self.socket.ended:
            self._measured.errors[f"socket ended: {reason}"] += 1
        with contextlib.suppress(Exception):
            await self.socket.close()

    def _see(self, update: Update) -> None:
        path = redirected_to(update)
        if path and self._redirect and not self._redirect.done():
            self._redirect.set_result(path)


async def measure(plan: Plan, stack: Stack) -> dict[str, Any]:
    """Let the crowd come, book and go; return the figures."""
    measured = Measured()
    pid = stack._processes["web"].popen.pid
    names = AppNames.of()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        # The first visitor pays for what is loaded once.
        first = Visitor(-1, SocketBrowser(f"http://127.0.0.1:{stack.web_port}", names, http), measured)
        await first.arrive(stack, asyncio.Semaphore())
        await first.book(time.perf_counter())
        await asyncio.sleep(1)
        acknowledged, before = measured.acknowledged, Process.of(pid)
        measured = Measured(acknowledged=acknowledged)
        visitors = [
            Visitor(number, SocketBrowser(f"http://127.0.0.1:{stack.web_port}", names, http), measured)
            for number in range(plan.browsers)
        ]
        _say(f"{plan.browsers} browsers come, {plan.arrivals:g} a second")
        connecting = asyncio.Semaphore(CONNECTING_MAX)
        await _in_turn(plan.arrivals, [visitor.arrive(stack, connecting) for visitor in visitors])
        await asyncio.sleep(SETTLE_S)
        gc.collect()
        gc.freeze()  # the generator's own pauses are not the server's
        connected = Process.of(pid)
        bookings = min(round(plan.rate * plan.seconds), plan.browsers)
        _say(f"{bookings} bookings, {plan.rate:g} a second")
        began = time.perf_counter()
        await _in_turn(
            plan.rate, [visitor.book(began + n / plan.rate) for n, visitor in enumerate(visitors[:bookings])]
        )
        under_load = Process.of(pid)
        load_s = time.perf_counter() - began
        await asyncio.sleep(SETTLE_S)
        after = Process.of(pid)
        for visitor in [*visitors, first]:
            await visitor.leave()
    return {
        "plan": asdict(plan),
        "bookings": bookings,
        "connect_ms": _spread(measured.connect_ms),
        "book_ms": _spread(measured.book_ms),
        "late_ms": _spread(measured.late_ms),
        "poll_ms": _spread(measured.poll_ms),
        "polls": dict(measured.polls),
        "web_process": {
            "before": asdict(before),
            "connected": asdict(connected),
            "after": asdict(after),
            "kb_for_each_browser": round((connected.pss_kb - before.pss_kb) / plan.browsers, 1),
            "kb_for_each_browser_after": round((after.pss_kb - before.pss_kb) / plan.browsers, 1),
            "cpu_while_connecting_s": round(connected.cpu_s - before.cpu_s, 2),
            "cores_while_booking": round((under_load.cpu_s - connected.cpu_s) / load_s, 3),
        },
        "errors": dict(measured.errors),
        "acknowledged": len(measured.acknowledged),
        "in_database": _confirmed(stack.database_url, measured.acknowledged),
        "log": stack._processes["web"].output()[-2000:],
    }


async def _in_turn(rate: float, jobs: Sequence[Any]) -> None:
    """Start so many jobs a second, whether or not earlier ones have ended, and wait for all."""
    began = time.perf_counter()
    running = []
    for number, job in enumerate(jobs):
        await asyncio.sleep(began + number / rate - time.perf_counter())
        running.append(asyncio.create_task(job))
    await asyncio.gather(*running)


def _confirmed(database_url: str, acknowledged: set[str]) -> list[int]:
    """Return how many orders are confirmed, and how many of them were acknowledged."""
    with psycopg.connect(database_url) as conn:
        rows = conn.execute("select reference from orders where status = 'confirmed'").fetchall()
    found = {reference for (reference,) in rows}
    return [len(found), len(found & acknowledged)]


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values) or [0.0]
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1) for name, share in shares.items()}


def failures(result: dict[str, Any]) -> list[str]:
    """Return what is wrong with a run; slowness is told and no failure, for it is the machine's, too."""
    wrong = [f"{count} x {what}" for what, count in result["errors"].items()]
    confirmed, found = result["in_database"]
    if not confirmed == found == result["acknowledged"] == result["bookings"] + 1:
        wrong.append(
            f"{result['bookings'] + 1} bookings were sent, {result['acknowledged']} acknowledged; "
            f"{confirmed} are confirmed in the database, {found} of the acknowledged ones among them"
        )
    unexpected = {status: count for status, count in result["polls"].items() if status not in {"200", "304"}}
    return wrong + [f"{count} x poll answered {status}" for status, count in unexpected.items()]


def _table(result: dict[str, Any]) -> Iterator[str]:
    yield f"{'ms':<28}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}"
    for name, key in (
        ("a booking, click to redirect", "book_ms"),
        ("connecting", "connect_ms"),
        ("polling what is left", "poll_ms"),
        ("the generator's lateness", "late_ms"),
    ):
        yield f"{name:<28}" + "".join(f"{value:>9.1f}" for value in result[key].values())
    web = result["web_process"]
    yield ""
    yield f"{'web process, MB':<28}{'RSS':>9}{'PSS':>9}"
    for name in ("before", "connected", "after"):
        yield f"{name:<28}{web[name]['rss_kb'] / 1024:>9.1f}{web[name]['pss_kb'] / 1024:>9.1f}"
    yield (
        f"{web['kb_for_each_browser']} kB for each connected browser, "
        f"{web['kb_for_each_browser_after']} kB at the end; {web['cpu_while_connecting_s']} s of processor time "
        f"while they came, {web['cores_while_booking']} cores while booking"
    )
    yield f"polls: {sum(result['polls'].values())} {result['polls']}"
    verdict = "held" if result["book_ms"]["p95"] < TARGET_P95_MS else "MISSED"
    yield f"{result['acknowledged']} bookings acknowledged; p95 under {TARGET_P95_MS:.0f} ms: {verdict}"


async def run(plan: Plan) -> dict[str, Any]:
    """Start a system with enough tickets, measure, stop it."""
    with embedded_server() as server, empty_database(server) as url, temporary_directory() as directory:
        migrate(url)
        seed(url, inventory=parse_inventory(f"VIP=100,Front Row=200,GA={plan.browsers * 2 + 1000}"))
        stack = Stack(url, directory, {"API_WORKERS": "1", "PAYMENT_SUCCESS_RATE": "1"})
        try:
            await stack.start_api()
            await stack.start_web()
            return await measure(plan, stack)
        finally:
            await stack.stop()


def _plan(arguments: Sequence[str]) -> Plan:
    parser = argparse.ArgumentParser(prog="make crowd", description=__doc__, allow_abbrev=False)
    parser.add_argument("--browsers", type=int, default=1000, help=f"at most {BROWSERS_MAX}")
    parser.add_argument("--seconds", type=int, default=40, help=f"of booking, at most {SECONDS_MAX}")
    parser.add_argument("--rate", type=float, default=20, help=f"bookings a second, at most {RATE_MAX}")
    parser.add_argument("--arrivals", type=float, default=ARRIVALS_PER_S, help="browsers that come each second")
    chosen = parser.parse_args(arguments)
    for name, most in (("browsers", BROWSERS_MAX), ("seconds", SECONDS_MAX), ("rate", RATE_MAX), ("arrivals", 1000)):
        if not 0 < getattr(chosen, name) <= most:
            parser.error(f"--{name} must be more than 0 and at most {most}")
    return Plan(chosen.browsers, chosen.seconds, chosen.rate, chosen.arrivals)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Run the crowd; return 0 if every booking was acknowledged, is there once, and nothing went wrong."""
    result = asyncio.run(run(_plan(arguments)))
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
