"""The circuit breaker opens after failures in a row and admits a request after its pause."""

import asyncio
import time

import pytest

from api.payments import circuit_breaker
from api.payments.circuit_breaker import CircuitBreaker, CircuitOpen

RESET_S = 5.0
FAILURES = 3


class Fault(Exception):
    """A request's failure."""


def request(breaker: CircuitBreaker, *, fails: bool) -> None:
    with breaker.guard():
        if fails:
            raise Fault


def open_breaker() -> CircuitBreaker:
    breaker = CircuitBreaker(failures_max=FAILURES, reset_s=RESET_S)
    for _ in range(FAILURES):
        assert not breaker.is_open()
        with pytest.raises(Fault):
            request(breaker, fails=True)
    assert breaker.is_open()
    return breaker


def test_an_open_circuit_breaker_stops_requests() -> None:
    breaker = open_breaker()
    with pytest.raises(CircuitOpen):
        request(breaker, fails=False)


def test_the_first_request_after_the_pause_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = open_breaker()
    now = time.monotonic()
    monkeypatch.setattr(circuit_breaker, "monotonic", lambda: now + RESET_S + 1)
    assert not breaker.is_open()
    with pytest.raises(Fault):
        request(breaker, fails=True)
    assert breaker.is_open()
    monkeypatch.setattr(circuit_breaker, "monotonic", lambda: now + 2 * (RESET_S + 1))
    request(breaker, fails=False)
    with pytest.raises(Fault):
        request(breaker, fails=True)
    assert not breaker.is_open()


@pytest.mark.parametrize("step_s", [-RESET_S - 1, RESET_S + 1])
def test_a_set_system_clock_keeps_the_circuit_breaker_open(monkeypatch: pytest.MonkeyPatch, step_s: float) -> None:
    breaker = open_breaker()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + step_s)
    assert breaker.is_open()
    with pytest.raises(CircuitOpen):
        request(breaker, fails=False)


def test_a_success_resets_the_number_of_failures() -> None:
    breaker = CircuitBreaker(failures_max=2, reset_s=RESET_S)
    for _ in range(2):
        with pytest.raises(Fault):
            request(breaker, fails=True)
        request(breaker, fails=False)
    assert not breaker.is_open()


def test_a_cancelled_request_is_no_failure() -> None:
    breaker = CircuitBreaker(failures_max=1, reset_s=RESET_S)
    with pytest.raises(asyncio.CancelledError), breaker.guard():
        raise asyncio.CancelledError
    assert not breaker.is_open()
