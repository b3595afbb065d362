"""Input and output of the load generator, exchanged as JSON."""

from collections.abc import Sequence

import msgspec


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of request."""

    name: str
    method: str = "GET"
    path: str
    body: str = ""
    rate: float = 0
    """Requests per second (open loop); 0 for one request after the other on each connection (closed loop)."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The load to generate: one kind without a rate, or any number of kinds with a rate."""

    port: int
    host: str = "127.0.0.1"
    connections: int
    """Closed loop: the number of concurrent requests. Open loop: their maximum."""
    warmup_s: float
    seconds: float
    """Measured time after the warm-up, in seconds."""
    kinds: list[Kind]


class Spread(msgspec.Struct, frozen=True):
    """Percentiles of times, in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


def spread_of(seconds: Sequence[float]) -> Spread | None:
    """Return the percentiles of times by the nearest rank; None without times."""
    if not seconds:
        return None
    ordered = sorted(seconds)

    def at(percent: int) -> float:
        rank = -(-len(ordered) * percent // 100)
        return round(ordered[rank - 1] * 1000, 3)

    return Spread(at(50), at(95), at(99), round(ordered[-1] * 1000, 3))


class KindResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes of one kind of request."""

    name: str
    due: int
    """Requests of the measured time."""
    per_s: float
    """Successful requests per second of the measured time."""
    latency_ms: Spread | None
    """Latency of the successful requests; None without any."""
    outcomes: dict[str, int]
    """Requests of the measured time by outcome: `201`, `503 busy`, `connection lost`."""
    errors: int
    """Unsuccessful requests of the measured time."""
    orders_acknowledged: int
    """Responses 201, including the warm-up."""
    tickets_acknowledged: int
    """Tickets in these responses."""
    unknown: int
    """Requests, including the warm-up, that may have booked although no response confirms it."""


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a load."""

    seconds: float
    kinds: list[KindResult]
    cpu_share: float
    """The generator's share of one processor; near 1 the generator was the bottleneck."""
    lateness_ms: Spread | None = None
    """Open loop: the delay between a request's due time and its sending or queueing."""
    waiting_max: int = 0
    """Open loop: the most due requests that waited for a free connection; above 0 the server fell behind."""
