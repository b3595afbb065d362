"""A stranger cannot use up the requests that the API admits from the staff pages' server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import httpx
import pytest

from webapp.settings import StaffLimits
from webapp.staff import clients
from webapp.staff.api import Api, AwayError, LimitedError, SessionEndedError
from webapp.staff.clients import Quota, client_network
from webapp.staff.server import EVENTS_PATH, StaffServer

TRUSTED = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"))
LIMITS = StaffLimits(refusals_per_minute=5, requests_per_minute=60)
STRANGER, STAFF = "203.0.113.9", "198.51.100.7"
VALID = f"session=6f1c0d9e-0b57-4c0e-9a55-2a1f7f0f3b11.{'x' * 43}"


def made_up() -> str:
    return f"session={uuid4()}.{'x' * 43}"


class FakeSystem:
    """An API that knows some cookies, with the paths of the requests to it. It responds after `gate` is set."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.paths: list[str] = []
        self.is_away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def respond(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        await self.gate.wait()
        if self.is_away:
            raise httpx.ConnectError("refused")
        if request.url.path != "/api/sessions/access":
            return httpx.Response(200, json={})
        is_known = request.headers["Cookie"] in self.known
        return httpx.Response(200, json={"accessToken": "token"}) if is_known else httpx.Response(401)


@pytest.fixture
def system() -> FakeSystem:
    return FakeSystem()


@pytest.fixture
def time_now() -> list[float]:
    return [0.0]


@pytest.fixture
async def api(system: FakeSystem, time_now: list[float]) -> AsyncIterator[Api]:
    transport = httpx.MockTransport(system.respond)
    async with httpx.AsyncClient(base_url="http://api.example", transport=transport) as client:
        yield Api(client, "http://localhost:3000", LIMITS, lambda: time_now[0])


async def outcome(api: Api, cookie: str, address: str) -> type[Exception] | None:
    try:
        await api.request(cookie, address, "GET", "/api/me")
    except (SessionEndedError, AwayError) as error:
        return type(error)
    return None


async def test_made_up_cookies_leave_the_api_to_the_staff(api: Api, system: FakeSystem, time_now: list[float]) -> None:
    known = made_up()
    system.known.add(known)
    outcomes = [await outcome(api, made_up(), STRANGER) for _ in range(100)]
    assert outcomes == [SessionEndedError] * 5 + [LimitedError] * 95
    assert len(system.paths) == 5
    assert await outcome(api, known, STAFF) is None
    time_now[0] += 12.0  # The time of one refusal.
    assert [await outcome(api, made_up(), STRANGER) for _ in range(2)] == [SessionEndedError, LimitedError]


async def test_concurrent_connections_share_the_quota(api: Api, system: FakeSystem) -> None:
    system.gate.clear()
    tasks = [asyncio.create_task(outcome(api, made_up(), STRANGER)) for _ in range(50)]
    for _ in range(200):  # Each task gets as far as it can.
        await asyncio.sleep(0)
    assert len(system.paths) == 5
    system.gate.set()
    assert (await asyncio.gather(*tasks)).count(LimitedError) == 45
    assert len(system.paths) == 5


@pytest.mark.parametrize("cookie", ["", "session=guessed", "session=a.b", f"{VALID}x", f"other={VALID}"])
async def test_a_text_that_is_no_cookie_causes_no_request(api: Api, system: FakeSystem, cookie: str) -> None:
    assert await outcome(api, cookie, STRANGER) is SessionEndedError
    assert system.paths == []


@pytest.mark.parametrize("name", ["session", "__Host-session"])
async def test_a_refused_cookie_is_refused_without_a_request(api: Api, system: FakeSystem, name: str) -> None:
    cookie = made_up().replace("session", name)
    assert [await outcome(api, cookie, STRANGER) for _ in range(20)] == [SessionEndedError] * 20
    assert len(system.paths) == 1


async def test_sessions_and_an_api_that_is_away_use_up_no_refusals(api: Api, system: FakeSystem) -> None:
    cookies = [made_up() for _ in range(20)]
    system.is_away = True
    assert [await outcome(api, cookie, STAFF) for cookie in cookies] == [AwayError] * 20
    system.is_away, system.known = False, set(cookies)
    assert [await outcome(api, cookie, STAFF) for cookie in cookies] == [None] * 20


async def test_an_account_cannot_use_up_the_requests(api: Api, system: FakeSystem, time_now: list[float]) -> None:
    buyer, staff = made_up(), made_up()
    system.known |= {buyer, staff}
    outcomes = [await outcome(api, buyer, STRANGER) for _ in range(200)]
    assert outcomes == [None] * 59 + [LimitedError] * 141  # One request has exchanged the cookie.
    assert len(system.paths) == 60
    assert await outcome(api, staff, STAFF) is None
    time_now[0] += 1.0
    assert await outcome(api, buyer, STRANGER) is None


@pytest.mark.parametrize(
    ("peer", "forwarded", "network"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.7"], "203.0.113.9"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["192.0.2.1, 198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["192.0.2.1", "198.51.100.7, 10.1.2.3"], "198.51.100.7"),
        ("127.0.0.1", ["198.51.100.7, unknown"], "127.0.0.1"),
        ("::ffff:127.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("2001:db8:1:2:3::4", [], "2001:db8:1:2::/64"),
        ("127.0.0.1", ["2001:db8:1:2:ffff::1"], "2001:db8:1:2::/64"),
        ("", ["198.51.100.7"], ""),
    ],
)
def test_only_trusted_proxies_name_the_client(peer: str, forwarded: list[str], network: str) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert client_network(peer, headers, TRUSTED) == network


async def test_the_server_passes_the_address_of_the_client_on() -> None:
    seen: list[Any] = []

    async def application(scope: Any, *_: object) -> None:
        seen.append(scope["client"])

    async def unused(*_: object) -> Any:
        raise AssertionError

    headers = [(b"origin", b"http://localhost:3000"), (b"x-forwarded-for", STAFF.encode())]
    scope = {"type": "websocket", "path": EVENTS_PATH, "headers": headers, "query_string": b"token=one"}
    server = StaffServer(application, ("http://localhost:3000",), TRUSTED, LIMITS)
    for client in (("127.0.0.1", 5), (STRANGER, 5), None):
        await server(scope | {"client": client}, unused, unused)
    assert seen == [(STAFF, 0), (STRANGER, 0), ("", 0)]


def test_a_quota_forgets_the_least_recently_used_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_KEYS_MAX", 2)
    clock: Callable[[], float] = lambda: 0.0  # noqa: E731
    quota = Quota(1, 60.0, clock)
    assert [quota.take(key) for key in ("a", "b", "a", "c", "b", "a")] == [True, True, False, True, False, True]
