"""Clients at several addresses: each address has its own limit, and no client can forge another address."""

from collections.abc import Iterator

import httpx
import pytest

from api.commands.seed import parse_inventory
from api.database.embedded import EmbeddedServer
from tests.acceptance.system import assert_problem, new_event, running_system
from tests.stack import HTTP_TIMEOUT_S, PLAIN_HTTP, Stack

pytestmark = pytest.mark.xdist_group("client_addresses")

RPS = 5
"""The limit of each address; it admits the few requests of a test about another limit."""
BURST = 60
"""Requests in a row that exceed the limit even on a busy machine."""
AVAILABILITY = "/api/tickets/availability"
PROXY, OTHER = "127.0.0.9", "127.0.0.3"


@pytest.fixture(scope="module")
def stack(server: EmbeddedServer) -> Iterator[Stack]:
    """A system with limits for each address and a trusted proxy. Its payments stay pending."""
    limits = {"ENDPOINT_RPS": "1000", "ADDRESS_RPS": str(RPS), "TRUSTED_PROXIES": f"{PROXY}, 10.0.0.0/8"}
    holds = {"PAYMENT_MODE": "async", "BOOKINGS_PER_MINUTE": "10", "HELD_TICKETS_PER_ADDRESS": "4"}
    with running_system(server, **limits, **holds, PROVIDER_BREAKER_FAILURES="1000") as stack:
        yield stack


def from_address(stack: Stack, address: str) -> httpx.Client:
    """Return a client with an address of this machine."""
    transport = httpx.HTTPTransport(local_address=address, verify=PLAIN_HTTP)
    return httpx.Client(base_url=stack.api_url, transport=transport, timeout=HTTP_TIMEOUT_S)


def refusals(client: httpx.Client, path: str = AVAILABILITY, *headers: dict[str, str]) -> int:
    """Send a burst of requests, with each of the headers in turn; return the number of refused ones."""
    chosen = headers or ({},)
    return sum(client.get(path, headers=chosen[i % len(chosen)]).status_code == 429 for i in range(BURST))


# Both paths: a request with an unlisted header goes to the framework.
@pytest.mark.parametrize("unlisted", [{}, {"X-Unlisted": "1"}], ids=["fast path", "framework"])
def test_one_address_cannot_exhaust_the_limit_of_another(stack: Stack, unlisted: dict[str, str]) -> None:
    with from_address(stack, "127.0.0.2") as flood, from_address(stack, OTHER) as other:
        assert refusals(flood, AVAILABILITY, unlisted) > 0
        refused = next(r for r in (flood.get(AVAILABILITY, headers=unlisted) for _ in range(100)) if r.is_error)
        assert_problem(refused, 429, "rate_limited")
        assert refused.headers["RateLimit-Policy"] == f'"address";q={RPS};w=1'
        assert int(refused.headers["Retry-After"]) >= 1
        assert other.get(AVAILABILITY, headers=unlisted).status_code == 200
        assert [flood.get(path).status_code for path in ("/health/live", "/health/ready", "/metrics")] == [200] * 3


@pytest.mark.parametrize("unlisted", [{}, {"X-Unlisted": "1"}], ids=["fast path", "framework"])
def test_one_address_cannot_hold_all_tickets(stack: Stack, unlisted: dict[str, str]) -> None:
    def book(client: httpx.Client, name: str) -> httpx.Response:
        return client.post("/api/bookings", json={"tier": "GA", "quantity": 2, "userId": name}, headers=unlisted)

    address, other = ("127.0.2.2", "127.0.2.3") if unlisted else ("127.0.2.4", "127.0.2.5")
    with from_address(stack, address) as greedy, from_address(stack, other) as buyer:
        assert [book(greedy, f"name-{number}").status_code for number in range(3)] == [202, 202, 429]
        refused = book(greedy, "one-more-name")
        assert_problem(refused, 429, "rate_limited")
        assert refused.headers["RateLimit-Policy"] == '"held";q=4;w=300'
        assert book(buyer, "buyer").status_code == 202


def test_the_openapi_document_costs_more_than_other_requests(stack: Stack) -> None:
    with from_address(stack, "127.0.4.1") as client:
        assert 429 in [client.get("/schema/openapi.json").status_code for _ in range(RPS)]
    with from_address(stack, "127.0.4.2") as client:
        assert [client.get("/api/events").status_code for _ in range(RPS)] == [200] * RPS


def test_a_long_list_of_tickets_costs_more_than_a_short_one(stack: Stack) -> None:
    event = new_event(stack, parse_inventory("GA=20000"))
    with from_address(stack, "127.0.5.1") as client:
        assert len(client.get("/api/tickets", params={"event": event}).json()) == 20_000
        assert client.get("/api/tickets", params={"limit": 1}).status_code == 429
    with from_address(stack, "127.0.5.2") as client:
        assert [client.get("/api/tickets?limit=1").status_code for _ in range(RPS)] == [200] * RPS


def spoofed(number: int) -> list[dict[str, str]]:
    """Return headers with which a client tries to look like another one."""
    address = f"203.0.113.{number % 250 + 1}"
    return [
        {"X-Forwarded-For": address},
        {"X-Forwarded-For": f"{address}, {address}"},
        {"Forwarded": f"for={address}"},
        {"Forwarded": f'for="[2001:db8:{number}::1]:80"', "X-Forwarded-For": address},
        {"Forwarded": "garbage, ;;", "X-Real-IP": address},
    ]


@pytest.mark.parametrize("kind", range(len(spoofed(0))))
def test_a_client_cannot_escape_its_limit_by_headers(stack: Stack, kind: int) -> None:
    with from_address(stack, f"127.0.1.{kind + 1}") as client:
        assert refusals(client, AVAILABILITY, *(spoofed(number)[kind] for number in range(BURST))) > 0


@pytest.mark.parametrize("kind", range(len(spoofed(0))))
def test_a_client_behind_a_proxy_cannot_escape_its_limit_by_headers(stack: Stack, kind: int) -> None:
    client_at = f"192.0.2.{kind + 1}"

    def through_proxy(headers: dict[str, str]) -> dict[str, str]:
        sent = headers.get("X-Forwarded-For")
        return headers | {"X-Forwarded-For": f"{sent}, {client_at}" if sent else client_at}

    with from_address(stack, PROXY) as proxy:
        headers = [through_proxy(spoofed(number)[kind]) for number in range(BURST)]
        assert refusals(proxy, AVAILABILITY, *headers) > 0


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
def test_each_client_behind_a_trusted_proxy_has_its_own_limit(stack: Stack, name: str) -> None:
    prefix = "for=" if name == "Forwarded" else ""
    with from_address(stack, PROXY) as proxy:
        addresses = [f"198.51.100.{number + 1}" for number in range(BURST)]
        assert refusals(proxy, AVAILABILITY, *({name: f"{prefix}{address}"} for address in addresses)) == 0
        assert refusals(proxy, AVAILABILITY, {name: f"{prefix}198.51.100.77, {prefix}10.1.2.3"}) > 0
