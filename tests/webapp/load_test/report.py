"""The figures of a load test as texts."""

from collections.abc import Iterator
from typing import Any

TARGET_P95_MS = 300.0


def spread(values: list[float]) -> dict[str, float]:
    """Return percentiles and the maximum."""
    ordered = sorted(values) or [0.0]
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1) for name, share in shares.items()}


def failures(result: dict[str, Any]) -> list[str]:
    """Return a description of each failure of a run. Slowness is no failure, because it depends on the machine."""
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


def table(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a table of the figures."""
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
