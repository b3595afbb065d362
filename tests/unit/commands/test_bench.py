"""The benchmark's arithmetic, and its load generator's requests and responses."""

import re
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.commands.bench.load import Tally, schedule_of
from api.commands.bench.plan import Kind, KindResult, LoadResult, Spread, spread_of
from api.commands.bench.report import (
    Checked,
    Mix,
    cores_busy,
    flatness,
    median_run,
    mix_table,
    share,
    table,
)
from api.commands.bench.sections import compare
from api.commands.bench.system import MACHINE
from api.commands.bench.wire import NUMBER, Request, ResponseReader, UnreadableError, outcome_of

BOOKED = b'{"success":true,"bookings":[{"id":1,"ticketId":17},{"id":2,"ticketId":18}]}'
SOLD_OUT = b'{"type":"about:blank","status":409,"code":"sold_out","message":"GA is sold out."}'
BUSY = b'{"status":503,"success":false,"code":"busy"}'


def response(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


RESPONSES = {
    (201, BOOKED): response("201 Created", BOOKED, "location: /api/bookings/bk_1"),
    (409, SOLD_OUT): response("409 Conflict", SOLD_OUT),
    (503, BUSY): response("503 Service Unavailable", BUSY, "retry-after: 1"),
    (304, b""): b'HTTP/1.1 304 Not Modified\r\netag: "1"\r\n\r\n',
    (200, b""): response("200 OK"),
}


# --- Responses ---


@given(st.data())
def test_a_response_is_parsed_from_pieces_of_any_length(data: st.DataObject) -> None:
    reader = ResponseReader()
    for expected in data.draw(st.lists(st.sampled_from(list(RESPONSES)), min_size=1, max_size=4)):
        raw = RESPONSES[expected]
        cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=6)))
        pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        assert [reader.feed(piece) for piece in pieces] == [*[None] * len(cuts), expected]


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n",
        response("200 OK") + response("200 OK"),
        b"x" * 1_000_001,
    ],
)
def test_a_response_without_a_length_or_with_another_version_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableError):
        ResponseReader().feed(raw)


def test_the_outcome_is_the_status_with_the_code_of_a_refusal() -> None:
    outcomes = [outcome_of(status, body) for status, body in RESPONSES]
    assert outcomes == ["201", "409 sold_out", "503 busy", "304", "200"]
    assert outcome_of(502, b"<html>") == "502"


def test_the_warm_up_counts_for_acknowledged_tickets_only() -> None:
    tally = Tally(Kind(name="bookings", path="/"))
    tally.responded(201, BOOKED, 9.0, measured=False)
    tally.responded(201, BOOKED, 0.010, measured=True)
    tally.responded(201, BOOKED, 0.030, measured=True)
    tally.responded(409, SOLD_OUT, 0.001, measured=True)
    tally.responded(503, BUSY, 0.001, measured=True)
    tally.failed("connection lost", measured=True)
    tally.failed("no response", measured=False)
    tally.failed("no free connection", measured=True, sent=False)
    assert tally.result(seconds=2) == KindResult(
        name="bookings",
        due=6,
        per_s=1.0,
        latency_ms=Spread(10.0, 30.0, 30.0, 30.0),
        outcomes={"201": 2, "409 sold_out": 1, "503 busy": 1, "connection lost": 1, "no free connection": 1},
        errors=4,
        orders_acknowledged=3,
        tickets_acknowledged=6,
        unknown=3,
    )


# --- Requests ---


def test_each_booking_has_another_buyer_and_the_right_length() -> None:
    kind = Kind(name="bookings", method="POST", path="/api/bookings", body=f'{{"userId":"é-{NUMBER}"}}')
    request = Request(kind, "127.0.0.1", 3001)
    bodies = set()
    for _ in range(3):
        head, _, body = request.next().partition(b"\r\n\r\n")
        assert head.startswith(b"POST /api/bookings HTTP/1.1\r\nHost: 127.0.0.1:3001\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        assert found
        assert int(found[1]) == len(body)
        bodies.add(msgspec.json.decode(body)["userId"])
    assert bodies == {"é-00000001", "é-00000002", "é-00000003"}


def test_a_read_has_no_body_and_no_number() -> None:
    request = Request(Kind(name="reads", path="/x?event=e"), "127.0.0.1", 3001)
    assert request.next() == request.next() == b"GET /x?event=e HTTP/1.1\r\nHost: 127.0.0.1:3001\r\n\r\n"


def test_requests_are_due_in_order_and_at_their_rate() -> None:
    reads, bookings = SimpleNamespace(rate=90.0), SimpleNamespace(rate=10.0)
    schedule = list(schedule_of([reads, bookings], seconds=3))
    moments = [due for due, _ in schedule]
    assert moments == sorted(moments)
    for source in (reads, bookings):
        for second in range(3):
            due = [moment for moment, of in schedule if of is source and second <= moment < second + 1]
            assert len(due) == source.rate


# --- Arithmetic ---


def test_percentiles_use_the_nearest_rank() -> None:
    assert spread_of([n / 1000 for n in range(1000, 0, -1)]) == Spread(p50=500.0, p95=950.0, p99=990.0, max=1000.0)
    assert spread_of([0.002]) == Spread(2.0, 2.0, 2.0, 2.0)
    assert spread_of([]) is None


@given(st.lists(st.floats(0, 10), min_size=1))
def test_values_above_a_percentile_are_at_most_the_remaining_share(seconds: list[float]) -> None:
    spread = spread_of(seconds)
    assert spread
    milliseconds = [round(s * 1000, 3) for s in seconds]
    for percent, value in ((50, spread.p50), (95, spread.p95), (99, spread.p99), (100, spread.max)):
        assert value in milliseconds
        assert sum(ms > value for ms in milliseconds) * 100 <= (100 - percent) * len(milliseconds)


def test_the_median_run_is_one_of_the_runs() -> None:
    assert median_run([30.0, 10.0, 20.0]) == 2
    assert median_run([20.0, 10.0]) == 1
    assert median_run([5.0]) == 0


def test_shares_and_flatness() -> None:
    assert share(1, 3) == 0.25
    assert share(0, 0) == 0.0
    assert flatness([100.0, 50.0, 100.0]) == 0.5


def test_the_rest_of_the_machine_is_reported_separately() -> None:
    before = {"API": 1.0, "PostgreSQL": 2.0, MACHINE: 10.0}
    after = {"API": 4.0, "PostgreSQL": 3.0, "worker": 1.0, MACHINE: 18.0}
    assert cores_busy(before, after, load_s=2, elapsed_s=4) == {"API": 1.5, "PostgreSQL": 0.5, "others": 1.0}
    assert cores_busy({}, {}, load_s=2, elapsed_s=4) == {}


@pytest.mark.parametrize(
    ("orders", "tickets", "violations"),
    [(10, 20, 0), (11, 22, 0), (9, 20, 1), (12, 22, 1), (10, 19, 1), (10, 23, 1)],
)
def test_the_database_has_every_acknowledged_booking_and_no_impossible_one(
    orders: int, tickets: int, violations: int
) -> None:
    booked = result("bookings", orders_acknowledged=10, tickets_acknowledged=20, unknown=1)
    read = result("reads", unknown=7)
    checked = compare(Checked(databases=1, violations=[]), [booked, read], orders, tickets)
    assert len(checked.violations) == violations
    assert (checked.orders_acknowledged, checked.orders_in_database) == (10, orders)


# --- Text ---


def test_tables_are_aligned_and_show_errors() -> None:
    assert table("T", ("", "n"), [("a", "10"), ("long", "9")]) == "\nT\n         n\n  a     10\n  long   9"
    load = LoadResult(
        seconds=30,
        kinds=[result("reads", outcomes={"200": 5}), result("bookings", outcomes={"201": 5, "503 busy": 2})],
        cpu_share=0.95,
        lateness_ms=Spread(0.1, 0.2, 0.3, 0.4),
        waiting_max=17,
    )
    shown = mix_table(Mix(reads_per_s=4500, bookings_per_s=500, load=load, retried_share=0, cores={"API": 1.5}))
    assert "4,500 reads and 500 bookings per second for 30 s" in shown
    assert "API 1.50, generator 0.95 (its limit)" in shown
    assert re.search(r"lateness of the generator +0\.1 +0\.2 +0\.3 +0\.4", shown)
    assert "2 503 busy" in shown
    assert "17 due requests" in shown


def result(name: str, outcomes: dict[str, int] | None = None, **counts: int) -> KindResult:
    base = KindResult(
        name=name,
        due=0,
        per_s=0.0,
        latency_ms=None,
        outcomes=outcomes or {},
        errors=0,
        orders_acknowledged=0,
        tickets_acknowledged=0,
        unknown=0,
    )
    return msgspec.structs.replace(base, **counts)
