"""The rate limits of a process: of each client address, and of each endpoint."""

import itertools

import pytest

from api.errors import RateLimited
from api.http.rate_limit import Limit, Throttle
from tests.clock import Clock


def of_endpoints(rps: int, clock: Clock) -> Throttle:
    """Return limits of endpoints without limits of addresses."""
    return Throttle(address_rps=0, endpoint_rps=rps, clock=clock)


def taken(
    throttle: Throttle, requests: int, method: str = "GET", route: str = "/api/tickets", address: str = "192.0.2.1"
) -> int:
    """Send requests at once; return the number of admitted ones."""
    admitted = 0
    for _ in range(requests):
        try:
            throttle.admit(address, method, route)
        except RateLimited:
            continue
        admitted += 1
    return admitted


@pytest.mark.parametrize("rps", [1, 3, 7, 10, 1000])
def test_a_burst_of_one_second_s_requests_is_admitted_and_no_more(rps: int) -> None:
    assert taken(of_endpoints(rps, Clock(1000.0)), rps + 100) == rps


def test_the_quota_refills_evenly_up_to_one_second() -> None:
    clock = Clock(1000.0)
    throttle = of_endpoints(10, clock)
    assert taken(throttle, 20) == 10
    clock.now += 0.35
    assert taken(throttle, 20) == 3
    clock.now += 3600
    assert taken(throttle, 20) == 10


def test_refused_requests_use_no_quota() -> None:
    clock = Clock(1000.0)
    throttle = of_endpoints(2, clock)
    assert taken(throttle, 1000) == 2
    clock.now += 0.5
    assert taken(throttle, 1000) == 1


def test_a_steady_stream_at_the_limit_is_all_admitted() -> None:
    clock = Clock(1000.0)
    throttle = of_endpoints(3, clock)
    for _ in range(10_000):
        throttle.admit("192.0.2.1", "GET", "/api/tickets")
        clock.now += 1 / 3


def test_each_endpoint_has_its_own_limit() -> None:
    throttle = of_endpoints(2, Clock(1000.0))
    assert taken(throttle, 5, "GET", "/api/bookings") == 2
    assert taken(throttle, 5, "POST", "/api/bookings") == 2
    assert taken(throttle, 5, "GET", "/api/tickets") == 2


def test_zero_is_no_limit() -> None:
    assert taken(of_endpoints(0, Clock(1000.0)), 5000) == 5000


def test_a_refusal_names_the_limit_and_the_time_of_the_next_request() -> None:
    throttle = of_endpoints(1, Clock(1000.0))
    throttle.admit("192.0.2.1", "GET", "/api/tickets")
    with pytest.raises(RateLimited) as refused:
        throttle.admit("192.0.2.1", "GET", "/api/tickets")
    assert refused.value.headers() == {
        "Retry-After": "1",
        "RateLimit-Policy": '"endpoint";q=1;w=1',
        "RateLimit": '"endpoint";r=0;t=1',
    }


def of_addresses(rps: int, clock: Clock, endpoint_rps: int = 1000) -> Throttle:
    return Throttle(address_rps=rps, endpoint_rps=endpoint_rps, clock=clock)


def test_one_address_does_not_use_up_the_limit_of_an_endpoint() -> None:
    throttle = of_addresses(60, Clock(1000.0), endpoint_rps=100)
    assert taken(throttle, 10_000, address="192.0.2.1") == 60
    assert taken(throttle, 30, address="192.0.2.2") == 30


def test_an_address_has_one_limit_over_all_endpoints() -> None:
    throttle = of_addresses(5, Clock(1000.0))
    assert taken(throttle, 3, "GET", "/api/tickets") == 3
    assert taken(throttle, 3, "POST", "/api/bookings") == 2
    assert taken(throttle, 3, "GET", "/schema/openapi.json") == 0


@pytest.mark.parametrize(
    ("address", "other", "admitted"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", 0),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", 4),
        ("192.0.2.1", "::ffff:192.0.2.1", 0),
        ("192.0.2.1", "192.0.2.2", 4),
    ],
)
def test_addresses_of_one_network_share_a_limit(address: str, other: str, admitted: int) -> None:
    throttle = of_addresses(4, Clock(1000.0))
    assert taken(throttle, 9, address=address) == 4
    assert taken(throttle, 9, address=other) == admitted


def test_a_refusal_of_an_address_names_its_limit_and_uses_no_quota_of_the_endpoint() -> None:
    throttle = of_addresses(1, Clock(1000.0), endpoint_rps=2)
    assert taken(throttle, 100) == 1
    with pytest.raises(RateLimited, match="requests from one network address") as refused:
        throttle.admit("192.0.2.1", "GET", "/api/tickets")
    assert refused.value.headers() == {
        "Retry-After": "1",
        "RateLimit-Policy": '"address";q=1;w=1',
        "RateLimit": '"address";r=0;t=1',
    }
    assert taken(throttle, 1, address="192.0.2.2") == 1


def test_an_expensive_response_is_charged_beyond_the_quota() -> None:
    clock = Clock(1000.0)
    throttle = of_addresses(10, clock)
    assert taken(throttle, 1) == 1
    throttle.charge("192.0.2.1", 49)
    with pytest.raises(RateLimited) as refused:
        throttle.admit("192.0.2.1", "GET", "/api/tickets")
    assert refused.value.headers()["Retry-After"] == "5"
    clock.now += 3.9
    assert taken(throttle, 1) == 0
    clock.now += 0.25
    assert taken(throttle, 5) == 1
    assert taken(throttle, 5, address="192.0.2.2") == 5


def test_the_memory_of_any_number_of_addresses_is_bounded() -> None:
    clock = Clock(1000.0)
    limit = Limit(10, clock, keys_max=1000)
    for address in range(100_000):  # All within one second.
        assert limit.take(address) == 0
        assert len(limit) <= 1000
    for address in itertools.count():  # Later requests drop the keys whose quota is full again.
        clock.now += 2
        limit.take(("later", address))
        if len(limit) == 1:
            break
    assert address < 1000


def test_the_limit_forgets_the_keys_first_that_were_used_least_recently() -> None:
    limit = Limit(1, Clock(1000.0), keys_max=3)
    assert [limit.take(key) for key in "abca"] == [0, 0, 0, 1]
    assert [limit.take(key) for key in "bcd"] == [1, 1, 0]
    assert [limit.take(key) for key in "bcd"] == [1, 1, 1]
    assert limit.take("a") == 0
