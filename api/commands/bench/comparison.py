"""`make bench B="--against REV"`: the present tree and another revision under the same loads, in pairs.

Both systems run for the whole comparison, each with its own PostgreSQL server. Only one of them has load at a time. A
pair consists of the same load on both, one directly after the other. The order within the pairs alternates, so that a
slow drift of the machine's speed favours neither.
"""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from api import schemas
from api.commands.bench import report, revisions
from api.commands.bench.build_system import BuildSystem
from api.commands.bench.kinds import BOOKINGS, booking, read
from api.commands.bench.plan import Kind, KindResult, LoadResult, Plan
from api.commands.bench.report import Comparison, PairedRow, Side
from api.commands.bench.sizes import Sizes
from api.commands.bench.system import run_load
from api.commands.output import write_line
from api.commands.processes import PRESENT
from api.config import Settings

_STANDING, _SEATED = "GA", "VIP"
"""A standing and a seated tier of the default inventory."""
_RUSH_FACTOR = 2.5
"""Rate of the second mix as a multiple of the first one's."""


class _Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A load that both systems receive in turn, and the figures that are compared."""

    event: str
    inventory: str
    connections: int
    kinds: Callable[[], list[Kind]]
    """Returns the load, with new buyers at each call."""
    figures: tuple["_Figure", ...]
    warmup_s: float
    seconds: float


class _Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of a load's result."""

    what: str
    unit: str
    of: Callable[[LoadResult], float]


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """One load on one system, with the processor time that each service spent per request, in microseconds."""

    load: LoadResult
    cpu_us: dict[str, float]


def compare_builds(settings: Settings, revision: str, sections: Sequence[str], sizes: Sizes) -> Comparison:
    """Measure the present tree and another revision in pairs; print and return the ratios.

    Raises:
        SetupError: the revision is unknown, or one of the two cannot run.
    """
    commit = revisions.find_commit(revision)
    present = revisions.describe_present()
    measurements = list(_measurements(sections, sizes))
    inventories = {each.event: each.inventory for each in measurements if each.inventory}
    # The directories' paths are short, because that of a Unix socket is limited.
    with tempfile.TemporaryDirectory(prefix="tickets-bench-") as name, contextlib.ExitStack() as running:
        root = Path(name)
        builds = (PRESENT, revisions.check_out(commit, root))
        systems = []
        for build, side in zip(builds, ("present", "other"), strict=True):
            directory = root / side
            directory.mkdir()
            system = BuildSystem(build, directory, settings)
            running.enter_context(system.running(inventories))
            systems.append(system)
        write_line(f"Present tree: {present}. Other revision: {revision} ({commit[:10]}).")
        acknowledged = [Acknowledged() for _ in systems]
        rows: list[PairedRow] = []
        for measurement in measurements:
            pairs = [_measure_pair(systems, measurement, turned=bool(n % 2)) for n in range(sizes.runs)]
            for runs, sums in zip(zip(*pairs, strict=True), acknowledged, strict=True):
                sums.add(measurement.event, [run.load for run in runs])
            rows += [_paired(figure, measurement.connections, pairs) for figure in measurement.figures]
        violations = [
            f"{side}: {violation}"
            for side, system, sums in zip(("present", commit[:10]), systems, acknowledged, strict=True)
            for violation in (*filter(None, [system.audit()]), *sums.violations(system))
        ]
    comparison = Comparison(present=present, other=commit, rows=rows, violations=violations)
    write_line(report.comparison_text(comparison))
    return comparison


def _measurements(sections: Sequence[str], sizes: Sizes) -> Iterator[_Measurement]:
    if "ceiling" in sections:
        for connections in sizes.connections:
            yield _bookings("1 standing ticket", _STANDING, 1, sizes.standing_tickets, connections, sizes)
        for connections in sizes.connections:
            yield _bookings("2 seats", _SEATED, 2, sizes.seats, connections, sizes)
    if "reads" in sections:
        for connections in sizes.connections:
            event = schemas.BUILT_IN_EVENT
            yield _closed_loop("availability", event, "", lambda: read(schemas.BUILT_IN_EVENT), connections, sizes)
    if "mix" in sections:
        for name, factor in (("mix", 1.0), ("rush", _RUSH_FACTOR)):
            yield _mix(name, sizes, sizes.reads_per_s * factor, sizes.bookings_per_s * factor)


def _bookings(what: str, tier: str, quantity: int, tickets: int, connections: int, sizes: Sizes) -> _Measurement:
    event = f"{tier.lower()}-{connections}"
    inventory = f"{tier}={tickets}"
    return _closed_loop(what, event, inventory, lambda: booking(event, tier, quantity), connections, sizes)


def _closed_loop(
    what: str, event: str, inventory: str, kind: Callable[[], Kind], connections: int, sizes: Sizes
) -> _Measurement:
    return _Measurement(
        event=event,
        inventory=inventory,
        connections=connections,
        kinds=lambda: [kind()],
        figures=(_Figure(what=what, unit="per s", of=lambda load: load.kinds[0].per_s),),
        warmup_s=sizes.warmup_s,
        seconds=sizes.seconds,
    )


def _mix(event: str, sizes: Sizes, reads_per_s: float, bookings_per_s: float) -> _Measurement:
    what = f"{reads_per_s:,.0f} reads and {bookings_per_s:,.0f} bookings per s"
    return _Measurement(
        event=event,
        inventory=f"{_STANDING}={sizes.runs * sizes.mix_tickets(bookings_per_s)}",
        connections=sizes.mix_connections,
        kinds=lambda: [
            msgspec.structs.replace(booking(event, _STANDING, 1), rate=bookings_per_s),
            msgspec.structs.replace(read(event), rate=reads_per_s),
        ],
        figures=(
            _Figure(what=f"{what}: bookings", unit="p95 ms", of=lambda load: _p95(load, 0)),
            _Figure(what=f"{what}: reads", unit="p95 ms", of=lambda load: _p95(load, 1)),
        ),
        warmup_s=sizes.mix_warmup_s,
        seconds=sizes.mix_seconds,
    )


def _p95(load: LoadResult, kind: int) -> float:
    latency = load.kinds[kind].latency_ms
    return latency.p95 if latency else 0.0


def _measure_pair(systems: Sequence[BuildSystem], measurement: _Measurement, *, turned: bool) -> list[_Run]:
    """Run a load on both systems; return the runs in the order of the systems."""
    order = reversed(systems) if turned else systems
    runs = [_measure(system, measurement) for system in order]
    return runs[::-1] if turned else runs


def _measure(system: BuildSystem, measurement: _Measurement) -> _Run:
    plan = Plan(
        port=system.settings.api_port,
        connections=measurement.connections,
        warmup_s=measurement.warmup_s,
        seconds=measurement.seconds,
        kinds=measurement.kinds(),
    )
    cpu_before, started = system.cpu_s(), time.perf_counter()
    load = run_load(plan)
    cores = report.cores_busy(cpu_before, system.cpu_s(), plan.warmup_s + plan.seconds, time.perf_counter() - started)
    per_s = sum(kind.due for kind in load.kinds) / plan.seconds
    return _Run(load=load, cpu_us={name: busy / per_s * 1e6 if per_s else 0.0 for name, busy in cores.items()})


def _paired(figure: _Figure, connections: int, pairs: Sequence[Sequence[_Run]]) -> PairedRow:
    present, other = (
        Side(
            values=[figure.of(run.load) for run in runs],
            errors=sum(_errors(kind) for run in runs for kind in run.load.kinds),
            waiting_max=max(run.load.waiting_max for run in runs),
            cpu_us={
                name: round(statistics.median(run.cpu_us.get(name, 0.0) for run in runs), 1) for name in runs[0].cpu_us
            },
        )
        for runs in zip(*pairs, strict=True)
    )
    return PairedRow(
        what=figure.what,
        connections=connections,
        unit=figure.unit,
        present=present,
        other=other,
        ratios=[round(ours / theirs, 3) for ours, theirs in zip(present.values, other.values, strict=True) if theirs],
    )


def _errors(kind: KindResult) -> int:
    """Return the number of requests that failed. A declined payment is a success of the system."""
    return sum(count for outcome, count in kind.outcomes.items() if not outcome.startswith(("2", "3", "402")))


class Acknowledged:
    """The tickets that the responses of one system confirmed, by event."""

    def __init__(self) -> None:
        self._tickets: dict[str, int] = {}
        self._unknown: dict[str, int] = {}

    def add(self, event: str, loads: Sequence[LoadResult]) -> None:
        """Count the bookings of loads on an event."""
        for kind in (kind for load in loads for kind in load.kinds if kind.name == BOOKINGS):
            self._tickets[event] = self._tickets.get(event, 0) + kind.tickets_acknowledged
            self._unknown[event] = self._unknown.get(event, 0) + 2 * kind.unknown

    def violations(self, system: BuildSystem) -> Iterator[str]:
        """Yield a sentence for each event whose availability contradicts the responses."""
        for event, tickets in self._tickets.items():
            sold = system.tickets_sold(event)
            if not tickets <= sold <= tickets + self._unknown[event]:
                yield f"{event} has {sold} sold tickets, but {tickets} were acknowledged."
