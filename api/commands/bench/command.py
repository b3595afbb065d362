"""`python -m api bench`: runs the sections, or a comparison of two revisions, and saves the results."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from api.commands.bench import COMPARED, report
from api.commands.bench.build_system import payment_success_rate
from api.commands.bench.comparison import compare_builds
from api.commands.bench.report import Report
from api.commands.bench.sections import Bench
from api.commands.bench.sizes import COMPARISON, FULL, QUICK, Sizes
from api.commands.bench.system import throw_away_servers
from api.commands.signals import stop_signals
from api.config import Settings
from api.errors import SetupError


class Options(NamedTuple):
    """The options of the command."""

    only: tuple[str, ...]
    """Names from `SECTIONS`."""
    out: Path
    """The JSON file to write."""
    against: str | None = None
    """The revision to compare with; None to measure the present tree alone."""
    quick: bool = False
    """Measure briefly, to test the benchmark itself."""
    runs: int | None = None
    """Runs of each measurement; None for the default."""
    seconds: float | None = None
    """Length of each measured run; None for the section's default."""


def bench(settings: Settings, options: Options) -> int:
    """Measure, print and save the results; return the exit code, which is 1 after a violation.

    Raises:
        SetupError: the system cannot run here, or the revision is unknown.
    """
    started = time.monotonic()
    result = _compare(settings, options) if options.against else _measure(settings, options)
    result.took_s = round(time.monotonic() - started, 1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    sys.stdout.write(f"\nThe benchmark took {result.took_s:.0f} s; its results are in {options.out}.\n")
    checked = result.comparison or result.checked
    return 1 if checked and checked.violations else 0


def _measure(settings: Settings, options: Options) -> Report:
    """Run sections on the present tree."""
    sizes = _resized(QUICK if options.quick else FULL, options)
    with stop_signals() as signals, throw_away_servers(settings) as servers, signals.interrupting():
        names = ("api_workers", "booking_isolation", "booking_batch_max", "bookings_per_minute")
        result = _new_report(servers.server_version(), {name: getattr(servers.settings, name) for name in names})
        Bench(servers, sizes, result).run(options.only)
    return result


def _compare(settings: Settings, options: Options) -> Report:
    """Compare the present tree with another revision."""
    if others := sorted(set(options.only) - set(COMPARED)):
        raise SetupError(f"--against compares {', '.join(COMPARED)}, not {', '.join(others)}.")
    sizes = _resized(QUICK if options.quick else COMPARISON, options)
    result = _new_report(
        "of each revision",
        {"booking_isolation": settings.booking_isolation, "payment_success_rate": payment_success_rate()},
    )
    with stop_signals() as signals, signals.interrupting():
        result.comparison = compare_builds(settings, str(options.against), options.only, sizes)
    return result


def _resized(sizes: Sizes, options: Options) -> Sizes:
    if options.runs:
        sizes = msgspec.structs.replace(sizes, runs=options.runs)
    if options.seconds:
        sizes = msgspec.structs.replace(sizes, seconds=options.seconds, mix_seconds=options.seconds)
    return sizes


def _new_report(postgresql: str, settings: dict[str, str | int]) -> Report:
    result = Report(
        command=f"python -m api {' '.join(sys.argv[1:])}",
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=report.describe_machine(postgresql),
        settings=settings,
    )
    sys.stdout.write(f"{report.machine_text(result.machine)}\n")
    sys.stdout.flush()
    return result
