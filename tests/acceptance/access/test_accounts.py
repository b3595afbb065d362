"""Accounts over HTTP: the cookie and its origin, access tokens, orders of accounts, and strangers."""

import asyncio
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.database import session
from api.http.semantics import OwnOrigins
from api.services.accounts.links import sign_in_token
from tests.acceptance.access.accounts import ORIGIN, Api, new_secret, running_api
from tests.acceptance.system import FOREIGN_ORIGIN, assert_problem

pytestmark = pytest.mark.xdist_group("access")

ANN, BOB = "ann@example.org", "bob@example.org"
PASSWORD = "correct horse"
WRITES = [
    ("POST", "/api/sessions/refresh"),
    ("POST", "/api/sessions/access"),
    ("DELETE", "/api/sessions/current"),
    ("POST", "/api/bookings"),
]


def cookie_of(response: httpx.Response) -> SimpleCookie:
    return SimpleCookie(response.headers["Set-Cookie"])


def with_cookie(text: str, origin: str | None = ORIGIN) -> dict[str, str]:
    return {"Cookie": f"session={text}"} | ({} if origin is None else {"Origin": origin})


async def sign_in(api: Api, **body: str) -> httpx.Response:
    return await api.client.post("/api/sessions", json=body)


async def newest_link(api: Api) -> str:
    """Return the token of the newest link."""
    async with api.state.pool.connection() as connection:
        cursor = await connection.execute("select id::text from sign_in_links order by message_id desc limit 1")
        (link_id,) = await cursor.fetchone() or ("",)
    return sign_in_token(api.state.access_secret, link_id)


async def test_a_link_opens_a_session_that_is_refreshed_and_ended(api: Api) -> None:
    sent = await api.client.post("/api/sessions/links", json={"email": ANN, "locale": "de"})
    assert sent.status_code == 202
    token = await newest_link(api)
    opened = await sign_in(api, method="link", token=token)
    assert opened.status_code == 200
    assert opened.headers["Cache-Control"] == "no-store"
    cookie = cookie_of(opened)["session"]
    assert (cookie["path"], cookie["httponly"], cookie["secure"], cookie["samesite"]) == ("/", True, True, "Lax")
    assert cookie["max-age"] == str(30 * 86_400)
    account = opened.json()["account"]
    assert (account["email"], account["hasPassword"], account["roles"]) == (ANN, False, [])
    assert_problem(await sign_in(api, method="link", token=token), 401, "unauthorized")

    refreshed = await api.client.post("/api/sessions/refresh", headers=with_cookie(cookie.value))
    assert refreshed.json()["account"] == account
    bearer = {"Authorization": f"Bearer {refreshed.json()['accessToken']}"}
    assert (await api.client.get("/api/me", headers=bearer)).json() == account
    ended = await api.client.delete("/api/sessions/current", headers=bearer)
    assert (ended.status_code, cookie_of(ended)["session"]["max-age"]) == (204, "0")
    api.state.revoked_sessions._valid_until = 0.0  # The cache is at most a second old.
    assert_problem(await api.client.get("/api/me", headers=bearer), 401, "unauthorized")
    refused = await api.client.post("/api/sessions/refresh", headers=with_cookie(cookie_of(refreshed)["session"].value))
    assert_problem(refused, 401, "unauthorized")
    assert cookie_of(refused)["session"]["max-age"] == "0"
    assert refused.headers["WWW-Authenticate"] == "Bearer"


async def test_over_tls_the_cookie_belongs_to_the_host_of_the_api(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, public_api_url="https://tickets.example") as api:
        await api.client.post("/api/sessions/links", json={"email": ANN})
        opened = await sign_in(api, method="link", token=await newest_link(api))
        name, _, rest = opened.headers["Set-Cookie"].partition("=")
        assert name == "__Host-session"
        assert rest.partition("; ")[2].partition("; ")[2] == "Path=/; HttpOnly; Secure; SameSite=Lax"
        token = rest.partition(";")[0]
        for headers, status in (
            ({"Cookie": f"session={token}", "Origin": ORIGIN}, 401),
            ({"Cookie": f"__Host-session={token}"}, 403),
            ({"Cookie": f"session=injected; __Host-session={token}", "Origin": ORIGIN}, 200),
        ):
            response = await api.client.post("/api/sessions/refresh", headers=headers)
            assert (response.status_code, headers) == (status, headers)
            assert status == 403 or response.headers["Set-Cookie"].startswith("__Host-session=")


async def test_a_server_gets_access_without_an_exchange_of_the_refresh_token(api: Api) -> None:
    opened = await api.open_session(ANN)
    for _ in range(2):
        access = await api.client.post("/api/sessions/access", headers=with_cookie(opened.token.text))
        assert (access.status_code, access.headers["Cache-Control"]) == (200, "no-store")
        assert "Set-Cookie" not in access.headers
        bearer = {"Authorization": f"Bearer {access.json()['accessToken']}"}
        assert (await api.client.get("/api/me", headers=bearer)).json() == access.json()["account"]
    foreign = f"{opened.identity.session_id}.guessed"
    assert_problem(await api.client.post("/api/sessions/access", headers=with_cookie(foreign)), 401, "unauthorized")


async def test_a_password_opens_a_session(api: Api) -> None:
    present = await api.signed_in(ANN)
    short = await api.client.put("/api/me/password", json={"password": "short"}, headers=present)
    assert_problem(short, 400, "invalid_request")
    changed = await api.client.put("/api/me/password", json={"password": PASSWORD}, headers=present)
    assert changed.status_code == 204
    opened = await sign_in(api, method="password", email=ANN, password=PASSWORD)
    assert opened.json()["account"]["hasPassword"]
    wrong, unknown = [
        await sign_in(api, method="password", email=email, password="another one") for email in (ANN, BOB)
    ]
    assert_problem(wrong, 401, "unauthorized")
    assert (wrong.text, sorted(wrong.headers)) == (unknown.text, sorted(unknown.headers))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"method": "link"},
        {"method": "password", "email": ANN},
        {"method": "magic", "token": "x"},
        {"method": "link", "token": "x", "code": "1"},
        {"method": "password", "email": ANN, "password": "x" * 129},
        {"method": ["link"], "token": "x"},
    ],
)
async def test_an_invalid_sign_in_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert_problem(await api.client.post("/api/sessions", json=body), 400, "invalid_request")


@pytest.mark.parametrize("read", ["api.lifespan.list_revoked", "api.http.identity.list_grants"])
async def test_a_frozen_database_refuses_signed_in_requests(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    async def freeze(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(read, freeze)
    monkeypatch.setattr(session, "READ_TIMEOUT_S", 0.05)
    async with running_api(database_url, tmp_path) as api:
        headers = await api.signed_in(ANN)
        for path in ("/api/desk/grants", "/api/desk/events/concert/orders?search=bk_1"):
            refused = await asyncio.wait_for(api.client.get(path, headers=headers), timeout=30)
            assert_problem(refused, 503, "busy")


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("origin", [FOREIGN_ORIGIN, "null", None])
async def test_a_write_with_the_cookie_needs_an_allowed_origin(
    api: Api, method: str, path: str, origin: str | None
) -> None:
    opened = await api.open_session(ANN)
    headers = {**with_cookie(opened.token.text, origin), **api.bearer(opened)}
    body = {"tier": "GA", "quantity": 1, "userId": "u"} if path == "/api/bookings" else None
    assert_problem(await api.client.request(method, path, headers=headers, json=body), 403, "forbidden")
    allowed = await api.client.request(method, path, headers=headers | {"Origin": ORIGIN}, json=body)
    assert allowed.is_success


async def test_without_the_check_a_foreign_page_refreshes_the_session(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the check of origins."""

    async def admit(*_: object) -> None: ...

    monkeypatch.setattr(OwnOrigins, "guard", admit)
    async with running_api(database_url, tmp_path) as api:
        opened = await api.open_session(ANN)
        forged = await api.client.post("/api/sessions/refresh", headers=with_cookie(opened.token.text, FOREIGN_ORIGIN))
    assert forged.status_code == 200


async def test_the_web_app_may_send_the_cookie_and_the_token(api: Api) -> None:
    preflight = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization",
    }
    response = await api.client.options("/api/sessions/current", headers=preflight)
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert {"PUT", "DELETE"} <= {*response.headers["Access-Control-Allow-Methods"].split(", ")}
    assert "authorization" in response.headers["Access-Control-Allow-Headers"].lower()
    foreign = await api.client.get("/api/events", headers={"Origin": FOREIGN_ORIGIN})
    assert "Access-Control-Allow-Origin" not in foreign.headers


async def test_an_order_of_an_account_is_closed_to_all_others(api: Api) -> None:
    opened = await api.open_session(ANN)
    own = api.bearer(opened)
    order = await api.book(own, quantity=2)
    assert order["bookings"][0]["userId"] == opened.identity.buyer
    assert "bookingSecret" not in order
    path = f"/api/bookings/{order['reference']}"
    unknown = await api.client.get(f"/api/bookings/{'x' * len(order['reference'])}")
    for headers in ({}, new_secret(), await api.signed_in(BOB)):
        refused = await api.client.get(path, headers=headers)
        assert refused.status_code == 404
        assert refused.text.replace(order["reference"], "x" * len(order["reference"])) == unknown.text
    assert (await api.client.get(path, headers=own)).json()["reference"] == order["reference"]
    listed = await api.client.get("/api/me/orders", headers=own)
    assert [each["reference"] for each in listed.json()["orders"]] == [order["reference"]]
    assert (await api.client.get("/api/me/orders", headers=await api.signed_in(BOB))).json()["orders"] == []
    cancelled = await api.client.post(f"{path}/cancel", json={"userId": "any name"}, headers=own)
    assert cancelled.json()["status"] == "cancelled"


async def test_a_repeat_needs_the_same_account(api: Api) -> None:
    own, foreign = await api.signed_in(ANN), await api.signed_in(BOB)
    body = {"tier": "GA", "quantity": 1, "userId": "u", "bookingReference": "r"}
    first, repeat, stranger, guest = [
        await api.client.post("/api/bookings", json=body, headers=headers) for headers in (own, own, foreign, {})
    ]
    assert (first.status_code, repeat.text) == (201, first.text)
    assert repeat.headers["Idempotent-Replayed"] == "true"
    for refused in (stranger, guest):
        assert_problem(refused, 422, "key_reused")


@pytest.mark.parametrize("name", ["acct:1", "ACCT:1", "\N{FULLWIDTH LATIN SMALL LETTER A}cct:1", "ac\u00adct:1"])
async def test_a_guest_cannot_have_the_name_of_an_account(api: Api, name: str) -> None:
    body = {"tier": "GA", "quantity": 1, "userId": name}
    assert_problem(await api.client.post("/api/bookings", json=body), 400, "invalid_request")
    assert (await api.book(await api.signed_in(ANN), userId=name))["status"] == "confirmed"


async def test_a_sign_in_closes_an_open_guest_order_of_its_address(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, guest_orders="open") as api:
        path = f"/api/bookings/{(await api.book(email=ANN))['reference']}"
        assert (await api.client.get(path)).status_code == 200
        await api.client.post("/api/sessions/links", json={"email": ANN})
        opened = await sign_in(api, method="link", token=await newest_link(api))
        assert (await api.client.get(path)).status_code == 404
        own = {"Authorization": f"Bearer {opened.json()['accessToken']}"}
        assert (await api.client.get(path, headers=own)).status_code == 200
        assert (await api.client.get("/api/bookings", params={"userId": "user-123"})).json()["orders"] == []
        returned = await api.client.post(f"{path}/cancel", json={"userId": "another name"}, headers=own)
        assert returned.json()["status"] == "cancelled"


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x", "Basic dXNlcjpwYXNz", "Bearer a.b.c"])
async def test_an_invalid_token_is_refused_also_where_guests_are_served(api: Api, token: str) -> None:
    order = await api.book(secret := new_secret())
    headers = {"Authorization": token, **secret}
    for method, path in (("GET", f"/api/bookings/{order['reference']}"), ("GET", "/api/me")):
        assert_problem(await api.client.request(method, path, headers=headers), 401, "unauthorized")
    body = {"tier": "GA", "quantity": 1, "userId": "u"}
    assert_problem(await api.client.post("/api/bookings", json=body, headers=headers), 401, "unauthorized")


async def test_attempts_from_one_address_are_limited(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, sign_ins_per_address_per_minute=3) as api:
        responses = [await sign_in(api, method="link", token="x") for _ in range(4)]
    assert [response.status_code for response in responses] == [401, 401, 401, 429]
    assert_problem(responses[-1], 429, "rate_limited")
    assert responses[-1].headers["RateLimit-Policy"] == '"sign_ins_from_address";q=3;w=60'


async def test_a_sign_in_is_refused_while_too_many_passwords_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.state.passwords, "_waiting", 32)
    response = await sign_in(api, method="password", email=ANN, password=PASSWORD)
    assert_problem(response, 503, "busy")
    assert response.headers["Retry-After"] == "2"
    assert (await api.book(new_secret()))["status"] == "confirmed"
