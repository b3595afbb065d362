"""Foreign pages, shared caches and patient clients: they neither change nor learn anything of an account."""

from collections.abc import Awaitable, Mapping
from typing import Any

import httpx
import pytest

from api.http.even_timing import in_even_time
from api.routes import messages
from tests.acceptance.access.accounts import ORIGIN, Api, new_secret
from tests.acceptance.access.test_matrix import PARAMETERS, QUERY, body_of, operations
from tests.acceptance.system import FOREIGN_ORIGIN

pytestmark = pytest.mark.xdist_group("access")

ANN = "ann@example.org"
PUBLIC = ("/api/events", "/api/tickets", "/health/")
"""The beginnings of the paths whose responses are the same for everybody."""
FOREIGN: Mapping[str, dict[str, str]] = {
    "another origin": {"Origin": FOREIGN_ORIGIN},
    "no origin": {},
    "a sandbox": {"Origin": "null"},
    "the origin as a subdomain": {"Origin": f"{ORIGIN}.evil.example"},
    "another scheme": {"Origin": ORIGIN.replace("http", "https")},
    "another port": {"Origin": "http://localhost:3999"},
    "two origins": {"Origin": f"{ORIGIN}, {FOREIGN_ORIGIN}"},
}
"""The headers of requests with a session's cookie that no page of ours sends."""


class Owner:
    """An account with an order, which sends requests to each operation."""

    def __init__(self, api: Api, order: dict[str, Any], headers: dict[str, str], cookie: str) -> None:
        self.api = api
        self.order = order
        self.headers = headers
        self.cookie = cookie

    @classmethod
    async def enter(cls, api: Api, email: str) -> "Owner":
        secret, opened = new_secret(), await api.open_session(email)
        own = {**secret, **api.bearer(opened)}
        return cls(api, await api.book(own, quantity=2), own, f"session={opened.token.text}")

    async def send(self, operation: str, headers: Mapping[str, str]) -> httpx.Response:
        method, _, template = operation.partition(" ")
        path = template.format_map(PARAMETERS | {"reference": self.order["reference"]})
        body = None if method == "GET" else body_of(operation, self.order)
        return await self.api.client.request(method, path, params=QUERY, headers=headers, json=body)


@pytest.mark.parametrize("foreign", FOREIGN)
async def test_no_route_changes_anything_for_a_foreign_page(api: Api, foreign: str) -> None:
    owner = await Owner.enter(api, ANN)
    unsafe = [operation for operation in operations(api) if not operation.startswith("GET ")]
    headers = {"Cookie": owner.cookie, **owner.headers, **FOREIGN[foreign]}
    found = {operation: (await owner.send(operation, headers)).status_code for operation in unsafe}
    assert found == dict.fromkeys(unsafe, 403)


async def test_no_route_changes_anything_across_sites_without_a_cookie(api: Api) -> None:
    owner = await Owner.enter(api, ANN)
    unsafe = [operation for operation in operations(api) if not operation.startswith("GET ")]
    headers = {**owner.headers, "Sec-Fetch-Site": "cross-site"}
    found = {operation: (await owner.send(operation, headers)).status_code for operation in unsafe}
    assert found == dict.fromkeys(unsafe, 403)


async def test_no_cache_stores_a_response_to_an_account(api: Api) -> None:
    """An empty response has nothing to store."""
    stored = []
    for operation in operations(api):
        owner = await Owner.enter(api, ANN)  # An operation may have ended the session.
        needs_cookie = operation.endswith(("/refresh", "/access"))
        response = await owner.send(
            operation, {"Cookie": owner.cookie, "Origin": ORIGIN} if needs_cookie else owner.headers
        )
        is_public = operation.partition(" ")[2].startswith(PUBLIC)
        if response.content and not is_public and response.headers.get("Cache-Control") != "no-store":
            stored.append(operation)
    assert stored == []


@pytest.mark.parametrize("path", ["/api/links", "/api/sessions/links"])
async def test_no_address_has_a_response_time_of_its_own(api: Api, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    steps = []

    async def noted(work: Awaitable[None], step_s: float) -> None:
        steps.append(step_s)
        await in_even_time(work, step_s)

    monkeypatch.setattr(messages, "in_even_time", noted)
    await Owner.enter(api, ANN)
    await api.book(new_secret(), email=ANN)
    for email in (ANN, "nobody@example.org"):
        assert (await api.client.post(path, json={"email": email})).status_code == 202
    assert steps == [0.1, 0.1]
