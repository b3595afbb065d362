"""No route shows the data of one buyer to another account, to a guest, or in the log.

The first account has orders in several states, refunds, messages, sessions and links. Each of its texts is unique. The
test walks the OpenAPI document, so that a new route takes part by itself.
"""

import json
import logging
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from api.services.access import Access, link_secret
from api.services.accounts.links import sign_in_token
from tests.acceptance.access.accounts import ORIGIN, Api, new_secret, running_api
from tests.acceptance.access.test_matrix import PARAMETERS, QUERY, body_of, operations

pytestmark = pytest.mark.xdist_group("access")

OWN, OTHER = "owner-canary@example.org", "other-buyer@example.org"
SECOND_ADDRESS = "second-canary@example.org"
NAME = "Name Of The Canary"
MATRIX_EMAIL = "ann@example.org"
UNDOCUMENTED = ("/metrics", "/schema/openapi.json")
"""Routes without a place in the document that respond with text of their own."""
CALLERS = ("other", "other with a cookie", "other with a secret", "guest", "guest with a secret")


class Owner:
    """The first account: its orders, and the texts that only its data contains."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.bearer: dict[str, str] = {}
        self.user_id = ""
        self.orders: list[dict[str, Any]] = []
        self.texts: set[str] = {OWN, SECOND_ADDRESS, NAME}

    async def fill(self) -> None:
        """Make orders of each kind, refunds, messages, sessions and links."""
        client = self.api.client
        # The sign-in claims the order of a guest with the address of the account.
        claimed = await self._book(new_secret(), email=OWN)
        await client.post("/api/sessions/links", json={"email": OWN})
        opened = await client.post("/api/sessions", json={"method": "link", "token": await self._token()})
        session = opened.raise_for_status().json()
        self.bearer = {"Authorization": f"Bearer {session['accessToken']}"}
        self.user_id = f"acct:{session['account']['id']}"
        own = await self._book({**self.bearer, **new_secret()}, email=SECOND_ADDRESS)
        part = await self._book(self.bearer, email=SECOND_ADDRESS, quantity=3)
        ended = await self._book({**self.bearer, **new_secret()}, email=SECOND_ADDRESS)
        lines = {"userId": self.user_id, "bookings": [part["bookings"][0]["id"]]}
        await self._change(f"/api/bookings/{part['reference']}/returns", lines)
        await self._change(f"/api/bookings/{ended['reference']}/cancel", {"userId": self.user_id})
        await self._change(f"/api/bookings/{own['reference']}/email", {"email": SECOND_ADDRESS})
        await client.post("/api/sessions/links", json={"email": OWN})
        await client.post("/api/links", json={"email": SECOND_ADDRESS})
        self.texts |= {claimed["bookingSecret"], session["accessToken"], session["account"]["id"]}
        self.texts |= {opened.cookies["session"], await self._token()}

    async def _book(self, headers: dict[str, str], **wanted: Any) -> dict[str, Any]:
        reference = f"reference-of-the-canary-{len(self.orders)}"
        order = await self.api.book(headers, userId=NAME, bookingReference=reference, **wanted)
        order = {"bookingSecret": headers.get("Booking-Secret", reference), **order}
        self.orders.append(order)
        self.texts |= {reference, order["shortReference"], order["bookingSecret"]}
        self.texts.add(link_secret(self.api.state.access_secret, reference))
        return order

    async def _change(self, path: str, body: dict[str, Any]) -> None:
        response = await self.api.client.post(path, json=body, headers=self.bearer)
        self.texts |= {refund["id"] for refund in response.raise_for_status().json().get("refunds", ())}

    async def _token(self) -> str:
        async with self.api.state.pool.connection() as connection:
            cursor = await connection.execute("select id::text from sign_in_links order by message_id desc limit 1")
            (link_id,) = await cursor.fetchone() or ("",)
        return sign_in_token(self.api.state.access_secret, link_id)

    async def read(self) -> str:
        """Return all that the account can read about itself."""
        paths = ["/api/me", "/api/me/orders", *(f"/api/bookings/{order['reference']}" for order in self.orders)]
        return "\n".join([(await self.api.client.get(path, headers=self.bearer)).text for path in paths])


@pytest.fixture(params=["secret", "open"])
async def api(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(database_url, tmp_path, guest_orders=request.param) as api:
        yield api


@pytest.fixture
async def owner(api: Api) -> Owner:
    owner = Owner(api)
    await owner.fill()
    return owner


async def headers_of(api: Api, caller: str) -> dict[str, str]:
    """Return the headers of a request. Each has a new session, because some requests end it."""
    headers = new_secret() if caller.endswith("secret") else {}
    if caller.startswith("guest"):
        return headers
    opened = await api.open_session(OTHER)
    if caller.endswith("cookie"):
        return {"Cookie": f"session={opened.token.text}", "Origin": ORIGIN}
    return headers | api.bearer(opened)


def requests_about(api: Api, owner: Owner) -> Sequence[tuple[str, str, dict[str, str], Any]]:
    """Return requests with the owner's references, names and addresses to each route: method, path, query and body."""
    found: list[tuple[str, str, dict[str, str], Any]] = [("GET", path, {}, None) for path in UNDOCUMENTED]
    for order in owner.orders:
        for name in (NAME, owner.user_id):
            for operation in operations(api):
                method, _, template = operation.partition(" ")
                path = template.format_map(PARAMETERS | {"reference": order["reference"]})
                body = json.dumps(None if method == "GET" else body_of(operation, order))
                body = body.replace(MATRIX_EMAIL, OWN).replace("user-123", name)
                found.append((method, path, QUERY | {"userId": name}, json.loads(body)))
    for address in (OWN, SECOND_ADDRESS):
        wrong = {"method": "password", "email": address, "password": "wrong password"}
        found.append(("POST", "/api/sessions", {}, wrong))
    reused = {"tier": "GA", "quantity": 1, "userId": NAME, "bookingReference": owner.orders[0]["reference"]}
    return [*found, ("POST", "/api/bookings", {}, reused)]


async def leaks(api: Api, owner: Owner, caller: str) -> list[tuple[str, str, str]]:
    """Send all requests as a caller; return those whose responses contain the owner's texts, or serve its orders."""
    found = []
    for method, path, query, body in requests_about(api, owner):
        for each in ("GET", "HEAD") if method == "GET" else (method,):
            response = await api.client.request(
                each, path, params=query, json=body, headers=await headers_of(api, caller)
            )
            shown = response.text + json.dumps(dict(response.headers))
            # A response may repeat what its own request has said.
            said = json.dumps([path, query, body])
            found += [(each, path, text) for text in owner.texts if text in shown and text not in said]
            if re.search("/api/bookings/reference-of", path) and response.status_code != 404:
                found.append((each, path, str(response.status_code)))
    return found


@pytest.mark.parametrize("caller", CALLERS)
async def test_no_route_shows_the_data_of_another_account(
    api: Api, owner: Owner, caller: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = await owner.read()
    # The account itself finds its data, so that the texts are those of the responses.
    known = {OWN, owner.user_id, *(order["shortReference"] for order in owner.orders)}
    assert [text for text in known if text not in before] == []
    with caplog.at_level(logging.INFO):
        assert await leaks(api, owner, caller) == []
        assert await owner.read() == before
    assert [text for text in owner.texts if text in caplog.text] == []


async def test_the_log_contains_no_data_of_buyers(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with running_api(database_url, tmp_path) as api:
            owner = Owner(api)
            await owner.fill()
            await owner.read()
    assert [text for text in owner.texts if text in caplog.text] == []


async def test_without_the_check_of_access_the_data_leaks(
    api: Api, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    monkeypatch.setattr(Access, "admits", lambda _access, _order: True)
    found = await leaks(api, owner, "other")
    path = f"/api/bookings/{owner.orders[1]['reference']}"
    assert ("GET", path, "200") in found
    assert ("GET", path, owner.orders[1]["shortReference"]) in found
    assert ("GET", f"{path}/tickets.pdf", "200") in found
