"""The benchmark's sections, which run on fresh databases, followed by an audit of all databases."""

import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar, get_args

import msgspec
import uvloop

from api import schemas
from api.commands import audit as invariants
from api.commands.bench import engine, report
from api.commands.bench.kinds import BOOKINGS, booking, read
from api.commands.bench.plan import Kind, KindResult, LoadResult, Plan
from api.commands.bench.report import (
    Checked,
    Claims,
    DesignRow,
    HttpRow,
    Mix,
    Report,
)
from api.commands.bench.sizes import Sizes
from api.commands.bench.system import Servers, count_booked, run_load
from api.commands.output import write_line
from api.commands.seed import TierPlan

_GA, _SEATS = engine.TIER, "Seats"
_QUANTITY_MAX = 2

Result = TypeVar("Result")


class Bench:
    """The sections of the benchmark. Each one adds its results to the report and prints them."""

    def __init__(self, servers: Servers, sizes: Sizes, report_: Report) -> None:
        self._servers = servers
        self._sizes = sizes
        self._report = report_
        self._acknowledged: list[LoadResult] = []

    def run(self, sections: Sequence[str]) -> None:
        """Measure sections and audit their databases."""
        over_http = {"ceiling": self._ceiling, "reads": self._reads, "fast-path": self._fast_path, "mix": self._mix}
        url = ""
        if chosen := [measure for name, measure in over_http.items() if name in sections]:
            url = self._servers.new_database(self._events(sections))
            with self._servers.api(url):
                for measure in chosen:
                    measure()
                self._report.memory = self._servers.memory()
            write_line(report.memory_table(self._report.memory))
        if "reference" in sections:
            self._reference()
        if "claims" in sections:
            self._claims()
        self._check(url)

    # --- Over HTTP ---

    def _events(self, sections: Sequence[str]) -> dict[str, tuple[TierPlan, ...]]:
        """Return the events for the sections over HTTP; each section has its own."""
        sizes = self._sizes
        events = {schemas.BUILT_IN_EVENT: _standing(1_000)}
        if "ceiling" in sections:
            for connections in sizes.connections:
                events[f"standing-{connections}"] = _standing(sizes.standing_tickets)
                events[f"seated-{connections}"] = _seated(sizes.seats)
        if "fast-path" in sections:
            events["fast-path"] = _standing(2 * sizes.standing_tickets)
        if "mix" in sections:
            events["mix"] = _standing(sizes.mix_tickets(sizes.bookings_per_s))
        return events

    def _ceiling(self) -> None:
        self._report.ceiling = self._by_connections(
            {
                "1 standing ticket": lambda n: booking(f"standing-{n}", _GA, 1),
                "2 seats": lambda n: booking(f"seated-{n}", _SEATS, _QUANTITY_MAX),
            }
        )
        write_line(report.http_table("Bookings over HTTP, closed loop", self._report.ceiling))

    def _reads(self) -> None:
        self._report.reads = self._by_connections({"availability": lambda _: read(schemas.BUILT_IN_EVENT)})
        write_line(report.http_table("Reads of availability over HTTP, closed loop", self._report.reads))

    def _fast_path(self) -> None:
        event, framework = "fast-path", "&unlisted="  # The fast path does not serve unlisted parameters.
        self._report.fast_path = self._by_connections(
            {
                "reads, fast path": lambda _: read(event),
                "reads, framework": lambda _: read(event + framework),
                "bookings, fast path": lambda _: booking(event, _GA, 1),
                "bookings, framework": lambda _: booking(event + framework, _GA, 1),
            },
            self._sizes.connections[1:2],
        )
        write_line(report.http_table("The fast path and the framework, closed loop", self._report.fast_path))

    def _mix(self) -> None:
        sizes = self._sizes
        plan = Plan(
            port=self._servers.settings.api_port,
            connections=sizes.mix_connections,
            warmup_s=sizes.mix_warmup_s,
            seconds=sizes.mix_seconds,
            kinds=[
                msgspec.structs.replace(read("mix"), rate=sizes.reads_per_s),
                msgspec.structs.replace(booking("mix", _GA, 1), rate=sizes.bookings_per_s),
            ],
        )
        load, retried_share, cores = self._load(plan)
        self._report.mix = Mix(
            reads_per_s=sizes.reads_per_s,
            bookings_per_s=sizes.bookings_per_s,
            load=load,
            retried_share=retried_share,
            cores=cores,
        )
        write_line(report.mix_table(self._report.mix))

    def _by_connections(
        self, kinds: Mapping[str, Callable[[int], Kind]], connections_compared: Sequence[int] = ()
    ) -> list[HttpRow]:
        """Measure kinds of requests alternately, in a closed loop over each number of connections."""
        sizes = self._sizes
        measured = list(itertools.product(kinds, connections_compared or sizes.connections))
        runs: dict[tuple[str, int], list[tuple[LoadResult, float, dict[str, float]]]] = {key: [] for key in measured}
        for _ in range(sizes.runs):
            for name, connections in measured:
                plan = Plan(
                    port=self._servers.settings.api_port,
                    connections=connections,
                    warmup_s=sizes.warmup_s,
                    seconds=sizes.seconds,
                    kinds=[kinds[name](connections)],
                )
                runs[name, connections].append(self._load(plan))
        rows = []
        for (name, connections), measurements in runs.items():
            rates = [load.kinds[0].per_s for load, _, _ in measurements]
            load, retried_share, cores = measurements[report.median_run(rates)]
            rows.append(
                HttpRow(
                    what=name,
                    connections=connections,
                    result=load.kinds[0],
                    runs_per_s=rates,
                    retried_share=retried_share,
                    generator_cpu_share=load.cpu_share,
                    cores=cores,
                )
            )
        return rows

    def _load(self, plan: Plan) -> tuple[LoadResult, float, dict[str, float]]:
        """Run a load; return its result, the share of retried bookings, and the busy cores by service."""
        retries_before, cpu_before, started = self._servers.retries(), self._servers.cpu_s(), time.perf_counter()
        load = run_load(plan)
        elapsed_s = time.perf_counter() - started
        cores = report.cores_busy(cpu_before, self._servers.cpu_s(), plan.warmup_s + plan.seconds, elapsed_s)
        retries = self._servers.retries() - retries_before
        self._acknowledged.append(load)
        return load, report.share(retries, sum(kind.orders_acknowledged for kind in load.kinds)), cores

    # --- Without HTTP ---

    def _reference(self) -> None:
        event = {schemas.BUILT_IN_EVENT: _standing(self._sizes.reference_tickets)}
        for isolation in get_args(engine.Isolation):
            for clients in self._sizes.clients:
                urls = {design: self._servers.new_database(event) for design in get_args(engine.Design)}
                row = _run(self._compare(urls, isolation, clients))
                self._report.reference.append(row)
        write_line(report.design_table(self._report.reference))

    async def _compare(self, urls: dict[engine.Design, str], isolation: engine.Isolation, clients: int) -> DesignRow:
        """Measure this engine and the reference design in turn, each on a database of its own."""
        sizes = self._sizes
        runs: dict[engine.Design, list[engine.DriveResult]] = {design: [] for design in urls}
        async with contextlib.AsyncExitStack() as stack:
            drivers = {
                design: await stack.enter_async_context(
                    engine.clients_of(design, url, self._servers.settings, clients, isolation)
                )
                for design, url in urls.items()
            }
            for _ in range(sizes.runs):
                for design, driver in drivers.items():
                    runs[design].append(await driver.drive(clients, sizes.warmup_s, sizes.seconds))
        ours, reference = (
            made[report.median_run([run.per_s for run in made])] for made in (runs["ours"], runs["reference"])
        )
        return DesignRow(
            isolation=isolation,
            clients=clients,
            ours_per_s=ours.per_s,
            reference_per_s=reference.per_s,
            ratio=round(ours.per_s / reference.per_s, 1) if reference.per_s else 0.0,
            ours_latency_ms=ours.latency_ms,
            reference_latency_ms=reference.latency_ms,
            ours_retried_share=round(ours.retried_share, 4),
            reference_retried_share=round(reference.retried_share, 4),
            ours_errors=ours.errors,
            reference_errors=reference.errors,
        )

    def _claims(self) -> None:
        sizes = self._sizes
        events = {f"tier-{tickets}": tickets for tickets in sizes.claims_tickets}
        inventory = {event: _standing(tickets) for event, tickets in events.items()}
        url = self._servers.new_database(inventory | {"sell-down": _standing(sizes.sell_down_tickets)})

        async def measure() -> tuple[dict[str, list[float]], list[float]]:
            async with engine.claimer_of(url, self._servers.settings) as claimer:
                durations_s = await claimer.by_size(list(events), sizes.claims_batch, sizes.claims_batches)
                return durations_s, await claimer.sell_down("sell-down", sizes.sell_down_tickets, sizes.sell_down_batch)

        durations_s, rates = _run(measure())
        self._report.claims = Claims(
            batch=sizes.claims_batch,
            ms_per_batch={
                tickets: round(statistics.median(durations_s[event]) * 1000, 2) for event, tickets in events.items()
            },
            sell_down_tickets=sizes.sell_down_tickets,
            sell_down_batch=sizes.sell_down_batch,
            sell_down_per_s=rates,
        )
        write_line(report.claims_table(self._report.claims))

    # --- Check ---

    def _check(self, http_url: str) -> None:
        """Audit every database; compare the acknowledged bookings with the database."""
        audited = self._servers.audit()
        checked = Checked(
            databases=len(audited),
            violations=[
                f"{name}: {invariants.report(violations)}" for name, violations in audited.items() if violations
            ],
        )
        if http_url:
            kinds = [kind for load in self._acknowledged for kind in load.kinds]
            checked = compare(checked, kinds, *count_booked(http_url))
        self._report.checked = checked
        write_line(report.checked_text(checked))


def compare(checked: Checked, kinds: Sequence[KindResult], orders: int, tickets: int) -> Checked:
    """Add the acknowledged bookings to a check; a difference from the database is a violation.

    The database may contain the bookings of requests with an unknown outcome.
    """
    acknowledged = sum(kind.orders_acknowledged for kind in kinds)
    acknowledged_tickets = sum(kind.tickets_acknowledged for kind in kinds)
    unknown = sum(kind.unknown for kind in kinds if kind.name == BOOKINGS)
    violations = list(checked.violations)
    if not (
        acknowledged <= orders <= acknowledged + unknown
        and acknowledged_tickets <= tickets <= acknowledged_tickets + _QUANTITY_MAX * unknown
    ):
        violations.append(
            f"{acknowledged} orders with {acknowledged_tickets} tickets were acknowledged and {unknown} requests have "
            f"an unknown outcome, but the database has {orders} with {tickets}."
        )
    return msgspec.structs.replace(
        checked,
        violations=violations,
        orders_acknowledged=acknowledged,
        orders_in_database=orders,
        tickets_acknowledged=acknowledged_tickets,
        tickets_in_database=tickets,
    )


def _standing(tickets: int) -> tuple[TierPlan, ...]:
    return (TierPlan(name=_GA, capacity=tickets, price_minor=1_000),)


def _seated(tickets: int) -> tuple[TierPlan, ...]:
    return (TierPlan(name=_SEATS, capacity=tickets, price_minor=5_000, seats_per_row=20),)


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on uvloop, which the API uses as well."""
    return uvloop.run(work)
