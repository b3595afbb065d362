"""The circuit breaker opens after failures in a row and admits a request after its pause."""

import time

import pytest

from api.payments.circuit_breaker import CircuitBreaker, CircuitOpen

RESET_S = 5.0
FAILURES = 3


class Fault(Exception):
    """A request's failure."""


async def request(breaker: CircuitBreaker, *, fails: bool) -> None:
    async with breaker.guard():
        if fails:
            raise Fault


async def open_breaker() -> CircuitBreaker:
    breaker = CircuitBreaker(failures_max=FAILURES, reset_s=RESET_S)
    for _ in range(FAILURES):
        assert not breaker.is_open()
        with pytest.raises(Fault):
            await request(breaker, fails=True)
    assert breaker.is_open()
    return breaker


async def test_an_open_circuit_breaker_stops_requests() -> None:
    breaker = await open_breaker()
    with pytest.raises(CircuitOpen):
        await request(breaker, fails=False)


async def test_the_first_request_after_the_pause_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = await open_breaker()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + RESET_S + 1)
    assert not breaker.is_open()
    with pytest.raises(Fault):
        await request(breaker, fails=True)
    assert breaker.is_open()
    monkeypatch.setattr(time, "time", lambda: now + 2 * (RESET_S + 1))
    await request(breaker, fails=False)
    monkeypatch.setattr(time, "time", lambda: now + RESET_S + 1)
    assert not breaker.is_open()


async def test_a_clock_that_was_set_back_keeps_the_circuit_breaker_open(monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = await open_breaker()
    now = time.time()
    times = iter([now + RESET_S + 1])  # for is_open(); purgatory then reads an earlier time
    monkeypatch.setattr(time, "time", lambda: next(times, now))
    with pytest.raises(CircuitOpen):
        await request(breaker, fails=False)


async def test_a_success_resets_the_number_of_failures() -> None:
    breaker = CircuitBreaker(failures_max=2, reset_s=RESET_S)
    for _ in range(2):
        with pytest.raises(Fault):
            await request(breaker, fails=True)
        await request(breaker, fails=False)
    assert not breaker.is_open()
