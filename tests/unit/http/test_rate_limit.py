"""The rate limit of each endpoint of a process."""

import pytest

from api.errors import RateLimited
from api.http.rate_limit import Throttle


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(throttle: Throttle, requests: int, method: str = "GET", route: str = "/api/tickets") -> int:
    """Send requests at once; return the number of admitted ones."""
    admitted = 0
    for _ in range(requests):
        try:
            throttle.admit(method, route)
        except RateLimited:
            continue
        admitted += 1
    return admitted


@pytest.mark.parametrize("rps", [1, 3, 7, 10, 1000])
def test_a_burst_of_one_second_s_requests_is_admitted_and_no_more(rps: int) -> None:
    assert taken(Throttle(rps, Clock()), rps + 100) == rps


def test_the_quota_refills_evenly_up_to_one_second() -> None:
    clock = Clock()
    throttle = Throttle(10, clock)
    assert taken(throttle, 20) == 10
    clock.now += 0.35
    assert taken(throttle, 20) == 3
    clock.now += 3600
    assert taken(throttle, 20) == 10


def test_refused_requests_use_no_quota() -> None:
    clock = Clock()
    throttle = Throttle(2, clock)
    assert taken(throttle, 1000) == 2
    clock.now += 0.5
    assert taken(throttle, 1000) == 1


def test_a_steady_stream_at_the_limit_is_all_admitted() -> None:
    clock = Clock()
    throttle = Throttle(3, clock)
    for _ in range(10_000):
        throttle.admit("GET", "/api/tickets")
        clock.now += 1 / 3


def test_each_endpoint_has_its_own_limit() -> None:
    throttle = Throttle(2, Clock())
    assert taken(throttle, 5, "GET", "/api/bookings") == 2
    assert taken(throttle, 5, "POST", "/api/bookings") == 2
    assert taken(throttle, 5, "GET", "/api/tickets") == 2


def test_zero_is_no_limit() -> None:
    assert taken(Throttle(0, Clock()), 5000) == 5000


def test_a_refusal_names_the_limit_and_the_time_of_the_next_request() -> None:
    throttle = Throttle(1, Clock())
    throttle.admit("GET", "/api/tickets")
    with pytest.raises(RateLimited) as refused:
        throttle.admit("GET", "/api/tickets")
    assert refused.value.headers() == {
        "Retry-After": "1",
        "RateLimit-Policy": '"endpoint";q=1;w=1',
        "RateLimit": '"endpoint";r=0;t=1',
    }
