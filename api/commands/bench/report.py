"""The results of the benchmark: structs for the JSON file, and tables for people."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from api.commands.bench.plan import KindResult, LoadResult, Spread
from api.commands.bench.system import MACHINE, Memory

GENERATOR_SHARE_MAX = 0.9
"""Share of a processor from which the load generator may have been the bottleneck."""


class HttpRow(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one kind over a number of connections: the run with the median rate."""

    what: str
    """The kind of the requests."""
    connections: int
    result: KindResult
    runs_per_s: list[float]
    retried_share: float
    """Share of the attempts of booking requests that were retried."""
    generator_cpu_share: float
    cores: dict[str, float]
    """Busy processors by service; `others` is the rest of the machine."""


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Reads and bookings at fixed rates, open loop."""

    reads_per_s: float
    bookings_per_s: float
    load: LoadResult
    retried_share: float
    cores: dict[str, float]


class DesignRow(msgspec.Struct, frozen=True, kw_only=True):
    """This engine and the reference design at one isolation level and number of clients: medians of the runs."""

    isolation: str
    clients: int
    ours_per_s: float
    reference_per_s: float
    ratio: float
    ours_latency_ms: Spread | None
    reference_latency_ms: Spread | None
    ours_retried_share: float
    reference_retried_share: float
    ours_errors: int
    reference_errors: int


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """Claims in tiers of several sizes, and in a tier that sells out."""

    batch: int
    ms_per_batch: dict[int, float]
    """Median time of a batch, by the number of tickets of an unsold tier."""
    sell_down_tickets: int
    sell_down_batch: int
    sell_down_per_s: list[float]
    """Tickets per second in each tenth of a tier, up to its last ticket."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The check of all databases after the benchmark."""

    databases: int
    violations: list[str]
    orders_acknowledged: int = 0
    """Orders that a response over HTTP confirmed."""
    orders_in_database: int = 0
    tickets_acknowledged: int = 0
    tickets_in_database: int = 0


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of one of two compared systems, in each pair."""

    values: list[float]
    errors: int
    """Unsuccessful requests of all pairs."""
    waiting_max: int
    """The most due requests that waited for a free connection; above 0 the system fell behind."""
    cpu_us: dict[str, float]
    """Median processor time per request, by service, in microseconds; `others` is the rest of the machine."""


class PairedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of the present tree and of another revision."""

    what: str
    """The kind of the requests."""
    connections: int
    unit: str
    present: Side
    other: Side
    ratios: list[float]
    """The present tree's figure as a multiple of the other revision's, in each pair."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The present tree and another revision under the same loads."""

    present: str
    other: str
    rows: list[PairedRow]
    violations: list[str]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine that ran the benchmark."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    postgresql: str


class Report(msgspec.Struct, kw_only=True):
    """The results of a run; sections that did not run are empty."""

    command: str
    started_at: str
    took_s: float = 0
    machine: Machine
    settings: dict[str, str | int]
    ceiling: list[HttpRow] = []
    reads: list[HttpRow] = []
    fast_path: list[HttpRow] = []
    mix: Mix | None = None
    memory: dict[str, Memory] = {}
    reference: list[DesignRow] = []
    claims: Claims | None = None
    checked: Checked | None = None
    comparison: Comparison | None = None


def median_run(rates: Sequence[float]) -> int:
    """Return the index of the run with the median rate, or with the lower one of two medians."""
    return sorted(range(len(rates)), key=rates.__getitem__)[(len(rates) - 1) // 2]


def share(part: float, rest: float) -> float:
    """Return `part` as a share of `part + rest`."""
    return round(part / (part + rest), 4) if part else 0.0


def flatness(rates: Iterable[float]) -> float:
    """Return the lowest rate as a share of the median; 1 is flat."""
    rates = list(rates)
    return round(min(rates) / statistics.median(rates), 2)


def cores_busy(before: dict[str, float], after: dict[str, float], load_s: float, elapsed_s: float) -> dict[str, float]:
    """Return the busy processors by service during a load; `others` is the rest of the machine.

    Args:
        before: processor time of each service and of the machine, in seconds.
        after: the same figures, `elapsed_s` later.
        load_s: duration of the load; the generator spends the rest of the time on its start.
        elapsed_s: time between `before` and `after`.
    """
    spent = {name: after[name] - taken for name, taken in before.items() if name in after}
    machine = spent.pop(MACHINE, None)
    cores = {name: round(taken / load_s, 2) for name, taken in spent.items()}
    if machine is not None:
        cores["others"] = round(max(machine - sum(spent.values()), 0.0) / elapsed_s, 2)
    return cores


def describe_machine(postgresql: str) -> Machine:
    """Describe this machine."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        processor=_processor(),
        cores=cores,
        memory_gb=round(memory_gb, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgresql=postgresql,
    )


def _processor() -> str:
    """Return the processor's name; outside of Linux, its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.machine())


# --- Tables ----------------------------------------------------------------------------------------------


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table, with its first column left-aligned and the others right-aligned."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in (heads, *rows))
    ]
    return "\n".join(["", title, *(f"  {line}".rstrip() for line in lines)])


def http_table(title: str, rows: Sequence[HttpRow]) -> str:
    """Format results over HTTP."""
    heads = ("", "connections", "per s", "p50", "p95", "p99", "max ms", "errors", "retried", "cores busy")
    return table(
        title,
        heads,
        [
            (
                row.what,
                str(row.connections),
                f"{row.result.per_s:,.0f}",
                *_times(row.result.latency_ms),
                _errors(row.result),
                f"{row.retried_share:.1%}" if row.result.orders_acknowledged else "-",
                _cores(row.cores, row.generator_cpu_share),
            )
            for row in rows
        ],
    )


def mix_table(mix: Mix) -> str:
    """Format the mix of reads and bookings."""
    kinds = [(kind.name, f"{kind.per_s:,.0f}", *_times(kind.latency_ms), _errors(kind)) for kind in mix.load.kinds]
    lateness = ("lateness of the generator", "", *_times(mix.load.lateness_ms), "")
    title = (
        f"Mix: {mix.reads_per_s:,.0f} reads and {mix.bookings_per_s:,.0f} bookings per second for "
        f"{mix.load.seconds:g} s, open loop; {_cores(mix.cores, mix.load.cpu_share)} cores busy"
    )
    shown = table(title, ("", "per s", "p50", "p95", "p99", "max ms", "errors"), [*kinds, lateness])
    if mix.load.waiting_max:
        shown += f"\n  The API fell behind: up to {mix.load.waiting_max:,} due requests waited for a free connection"
    return shown


def memory_table(memory: dict[str, Memory]) -> str:
    """Format the memory of each service under load."""
    rows = [(name, str(part.processes), f"{part.rss_mb:,.0f}", f"{part.pss_mb:,.0f}") for name, part in memory.items()]
    return table("Memory after this load, in MB", ("", "processes", "RSS", "PSS"), rows)


def design_table(rows: Sequence[DesignRow]) -> str:
    """Format the comparison with the reference design."""
    return table(
        "Bookings without HTTP, compared with the reference design",
        (
            "",
            "clients",
            "ours per s",
            "p95 ms",
            "retried",
            "reference per s",
            "p95 ms",
            "retried",
            "errors",
            "ratio",
        ),
        [
            (
                row.isolation,
                str(row.clients),
                f"{row.ours_per_s:,.0f}",
                _times(row.ours_latency_ms)[1],
                f"{row.ours_retried_share:.1%}",
                f"{row.reference_per_s:,.0f}",
                _times(row.reference_latency_ms)[1],
                f"{row.reference_retried_share:.1%}",
                f"{row.ours_errors} / {row.reference_errors}",
                f"{row.ratio:.1f}",
            )
            for row in rows
        ],
    )


def claims_table(claims: Claims) -> str:
    """Format claims by the size of a tier, and in a tier that sells out."""
    by_size = [
        (f"{tickets:,} tickets", f"{ms:.1f}", f"{claims.batch / ms * 1000:,.0f}")
        for tickets, ms in claims.ms_per_batch.items()
    ]
    sell_down = (
        f"  All of {claims.sell_down_tickets:,} tickets in batches of {claims.sell_down_batch}: claims per s in each "
        f"tenth {' '.join(f'{rate:,.0f}' for rate in claims.sell_down_per_s)}; the slowest is "
        f"{flatness(claims.sell_down_per_s):.0%} of the median"
    )
    return "\n".join(
        [
            table(
                f"Claims by size of the tier: consecutive batches of {claims.batch} bookings of one ticket",
                ("", "ms per batch", "claims per s"),
                by_size,
            ),
            sell_down,
        ]
    )


def comparison_text(comparison: Comparison) -> str:
    """Format the ratios of two revisions, with the result of their audits."""
    heads = ("", "connections", "unit", "present", "other", "ratio", "spread", "errors", "CPU us", "CPU us of other")
    rows = [
        (
            row.what,
            str(row.connections),
            row.unit,
            _figure(row.present.values),
            _figure(row.other.values),
            f"{statistics.median(row.ratios):.2f}" if row.ratios else "-",
            f"{min(row.ratios):.2f} to {max(row.ratios):.2f}" if row.ratios else "-",
            f"{row.present.errors} / {row.other.errors}",
            _cpu(row.present.cpu_us),
            _cpu(row.other.cpu_us),
        )
        for row in comparison.rows
    ]
    behind = [
        f"  {row.what}: {name} fell behind: up to {side.waiting_max:,} due requests waited for a free connection"
        for row in comparison.rows
        for name, side in (("the present tree", row.present), ("the other revision", row.other))
        if side.waiting_max
    ]
    pairs = len(comparison.rows[0].ratios) if comparison.rows else 0
    title = f"Present tree {comparison.present} and {comparison.other[:10]}: medians of {pairs} pairs"
    audits = "VIOLATION" if comparison.violations else "all invariants hold, every acknowledged ticket is sold."
    return "\n".join(
        [table(title, heads, rows), *dict.fromkeys(behind), "", f"Audit of both: {audits}", *comparison.violations]
    )


def _figure(values: Sequence[float]) -> str:
    median = statistics.median(values)
    return f"{median:,.0f}" if median >= 100 else f"{median:.1f}"


def _cpu(cpu_us: dict[str, float]) -> str:
    return " + ".join(f"{name} {us:.0f}" for name, us in cpu_us.items() if name in ("API", "PostgreSQL")) or "-"


def checked_text(checked: Checked) -> str:
    """Format the check of the databases."""
    lines = [
        "",
        f"Audit of {checked.databases} databases: {'all invariants hold.' if not checked.violations else 'VIOLATION'}",
    ]
    lines += checked.violations
    if checked.orders_acknowledged:
        lines.append(
            f"Over HTTP {checked.orders_acknowledged:,} orders with {checked.tickets_acknowledged:,} tickets were "
            f"acknowledged; the database has {checked.orders_in_database:,} with {checked.tickets_in_database:,}."
        )
    return "\n".join(lines)


def machine_text(machine: Machine) -> str:
    """Format the machine."""
    return (
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gb:g} GB, {machine.system}, "
        f"Python {machine.python}, PostgreSQL {machine.postgresql}; load and servers share the machine"
    )


def _times(spread: Spread | None) -> tuple[str, str, str, str]:
    if spread is None:
        return "-", "-", "-", "-"
    return f"{spread.p50:.1f}", f"{spread.p95:.1f}", f"{spread.p99:.1f}", f"{spread.max:.1f}"


def _errors(result: KindResult) -> str:
    wrong = {name: count for name, count in result.outcomes.items() if not name.startswith(("2", "3"))}
    return ", ".join(f"{count} {name}" for name, count in wrong.items()) or "0"


def _cores(cores: dict[str, float], generator: float) -> str:
    parts = [f"{name} {busy:.2f}" for name, busy in cores.items() if busy >= 0.005]
    limit = " (its limit)" if generator >= GENERATOR_SHARE_MAX else ""
    return ", ".join([*parts, f"generator {generator:.2f}{limit}"])
