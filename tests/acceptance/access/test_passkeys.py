"""Passkeys over HTTP: adding them, signing in with them, and every response that must not sign in."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.acceptance.access.accounts import ORIGIN, Api, running_api
from tests.acceptance.system import FOREIGN_ORIGIN, assert_problem
from tests.authenticator import PRESENT, Authenticator, from_base64, to_base64

pytestmark = pytest.mark.xdist_group("access")

ANN, BOB = "ann@example.org", "bob@example.org"
PASSKEYS = "/api/me/passkeys"


async def begin_adding(api: Api, headers: dict[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = (
        (await api.client.post(f"{PASSKEYS}/challenges", headers=headers)).raise_for_status().json()
    )
    return options


async def begin_sign_in(api: Api) -> dict[str, Any]:
    options: dict[str, Any] = (await api.client.post("/api/sessions/passkeys")).raise_for_status().json()
    return options


async def add(api: Api, email: str, **kinds: Any) -> Authenticator:
    """Return a new authenticator with a passkey of the account of an address."""
    device, headers = Authenticator(ORIGIN, **kinds), await api.signed_in(email)
    body = device.create(await begin_adding(api, headers))
    (await api.client.post(PASSKEYS, json=body, headers=headers)).raise_for_status()
    return device


async def sign_in(api: Api, device: Authenticator) -> httpx.Response:
    return await api.client.post("/api/sessions", json=device.sign(await begin_sign_in(api)))


async def listed(api: Api, headers: dict[str, str]) -> list[dict[str, Any]]:
    passkeys: list[dict[str, Any]] = (
        (await api.client.get(PASSKEYS, headers=headers)).raise_for_status().json()["passkeys"]
    )
    return passkeys


async def test_a_passkey_signs_in_without_an_address_until_it_is_deleted(api: Api) -> None:
    own = await api.signed_in(ANN)
    guest = await api.book({"Booking-Secret": "s" * 32}, email=ANN)
    device = Authenticator(ORIGIN)
    added = await api.client.post(PASSKEYS, json=device.create(await begin_adding(api, own), "my phone"), headers=own)
    assert added.status_code == 201
    passkey = added.json()
    assert (passkey["name"], passkey["lastUsedAt"]) == ("my phone", None)
    assert await listed(api, own) == [passkey]

    opened = await sign_in(api, device)
    assert opened.status_code == 200
    assert opened.json()["account"]["email"] == ANN
    assert "session=" in opened.headers["Set-Cookie"]
    assert opened.headers["Cache-Control"] == "no-store"
    bearer = {"Authorization": f"Bearer {opened.json()['accessToken']}"}
    orders = (await api.client.get("/api/me/orders", headers=bearer)).json()["orders"]
    assert [order["reference"] for order in orders] == [guest["reference"]]
    assert (await listed(api, bearer))[0]["lastUsedAt"] is not None

    path = f"{PASSKEYS}/{passkey['id']}"
    assert (await api.client.put(path, json={"name": " my new phone "}, headers=bearer)).status_code == 204
    assert [each["name"] for each in await listed(api, own)] == ["my new phone"]
    assert (await api.client.delete(path, headers=bearer)).status_code == 204
    assert await listed(api, own) == []
    assert_problem(await sign_in(api, device), 401, "unauthorized")
    # The account still signs in with a link, and the session goes on.
    assert (await api.client.get("/api/me", headers=bearer)).status_code == 200


async def test_the_passkeys_of_an_account_are_its_own(api: Api) -> None:
    await add(api, ANN)
    own, other = await api.signed_in(ANN), await api.signed_in(BOB)
    (passkey,) = await listed(api, own)
    assert await listed(api, other) == []
    path = f"{PASSKEYS}/{passkey['id']}"
    assert_problem(await api.client.put(path, json={"name": "mine"}, headers=other), 404, "not_found")
    assert_problem(await api.client.delete(path, headers=other), 404, "not_found")
    assert_problem(await api.client.delete(f"{PASSKEYS}/{uuid4()}", headers=own), 404, "not_found")
    assert await listed(api, own) == [passkey]


async def test_a_response_works_once(api: Api) -> None:
    device = await add(api, ANN)
    signed = device.sign(await begin_sign_in(api))
    assert (await api.client.post("/api/sessions", json=signed)).status_code == 200
    assert_problem(await api.client.post("/api/sessions", json=signed), 401, "unauthorized")


async def test_a_failed_attempt_uses_up_its_challenge(api: Api) -> None:
    device = await add(api, ANN)
    signed = device.sign(await begin_sign_in(api))
    forged = {**signed, "passkey": {**signed["passkey"], "signature": to_base64(b"forged")}}
    assert_problem(await api.client.post("/api/sessions", json=forged), 401, "unauthorized")
    assert_problem(await api.client.post("/api/sessions", json=signed), 401, "unauthorized")
    assert (await sign_in(api, device)).status_code == 200


async def test_a_challenge_expires(api: Api, database_url: str) -> None:
    device, headers = await add(api, ANN), await api.signed_in(ANN)
    signed = device.sign(await begin_sign_in(api))
    created = Authenticator(ORIGIN).create(await begin_adding(api, headers))
    with psycopg.connect(database_url) as conn:
        conn.execute("update passkey_challenges set expires_at = now()")
    assert_problem(await api.client.post("/api/sessions", json=signed), 401, "unauthorized")
    assert_problem(await api.client.post(PASSKEYS, json=created, headers=headers), 400, "invalid_request")


async def test_a_challenge_serves_only_its_ceremony_and_its_account(api: Api) -> None:
    device, ann, bob = await add(api, ANN), await api.signed_in(ANN), await api.signed_in(BOB)
    of_ann = await begin_adding(api, ann)
    signed = device.sign({"challenge": of_ann["challenge"], "rpId": "localhost", "userVerification": "required"})
    assert_problem(await api.client.post("/api/sessions", json=signed), 401, "unauthorized")
    stolen = Authenticator(ORIGIN).create(of_ann)
    assert_problem(await api.client.post(PASSKEYS, json=stolen, headers=bob), 400, "invalid_request")
    of_sign_in = {**of_ann, "challenge": (await begin_sign_in(api))["challenge"]}
    confused = Authenticator(ORIGIN).create(of_sign_in)
    assert_problem(await api.client.post(PASSKEYS, json=confused, headers=ann), 400, "invalid_request")


def foreign_page(device: Authenticator) -> None:
    device.origin = FOREIGN_ORIGIN


def another_port(device: Authenticator) -> None:
    device.origin = "http://localhost:3999"


def unverified_user(device: Authenticator) -> None:
    device.flags = PRESENT


def another_key(device: Authenticator) -> None:
    device._key = Authenticator(ORIGIN)._key


def another_account(device: Authenticator) -> None:
    device._user_handle = uuid4().bytes


def another_credential(device: Authenticator) -> None:
    device.credential_id = bytes(32)


def embedded_page(device: Authenticator) -> None:
    device.is_embedded = True


def long_key(device: Authenticator) -> None:
    device.public_key = {1: 3, 3: -257, -1: b"\xff" * 2048, -2: b"\1\0\1"}


def long_credential(device: Authenticator) -> None:
    device.credential_id = bytes(1024)


@pytest.mark.parametrize(
    "spoil",
    [foreign_page, another_port, unverified_user, another_key, another_account, another_credential, embedded_page],
)
async def test_a_wrong_response_signs_nobody_in(api: Api, spoil: Callable[[Authenticator], None]) -> None:
    device = await add(api, ANN)
    spoil(device)
    refused = await sign_in(api, device)
    assert_problem(refused, 401, "unauthorized")
    assert "Set-Cookie" not in refused.headers


async def test_another_domain_is_refused(api: Api) -> None:
    device, headers = await add(api, ANN), await api.signed_in(ANN)
    options = {**await begin_sign_in(api), "rpId": "evil.example"}
    assert_problem(await api.client.post("/api/sessions", json=device.sign(options)), 401, "unauthorized")
    created = Authenticator(ORIGIN).create({**await begin_adding(api, headers), "rp": {"id": "evil.example"}})
    assert_problem(await api.client.post(PASSKEYS, json=created, headers=headers), 400, "invalid_request")


@pytest.mark.parametrize(
    "spoil", [foreign_page, another_port, unverified_user, embedded_page, long_key, long_credential]
)
async def test_a_wrong_response_adds_no_passkey(api: Api, spoil: Callable[[Authenticator], None]) -> None:
    headers, device = await api.signed_in(ANN), Authenticator(ORIGIN)
    spoil(device)
    body = device.create(await begin_adding(api, headers))
    assert_problem(await api.client.post(PASSKEYS, json=body, headers=headers), 400, "invalid_request")
    assert await listed(api, headers) == []


async def test_a_counter_that_does_not_increase_is_refused_and_logged(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    device = await add(api, ANN, counter=7)
    assert (await sign_in(api, device)).status_code == 200
    (passkey,) = await listed(api, await api.signed_in(ANN))
    for counter in (7, 2):
        device.counter = counter
        with caplog.at_level(logging.WARNING):
            assert_problem(await sign_in(api, device), 401, "unauthorized")
        assert passkey["id"] in caplog.text
        caplog.clear()
    device.counter = None  # A copy that does not count.
    assert_problem(await sign_in(api, device), 401, "unauthorized")
    device.counter = 8
    assert (await sign_in(api, device)).status_code == 200


async def test_a_forged_counter_without_the_key_is_not_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    device = await add(api, ANN, counter=7)
    another_key(device)
    device.counter = 1
    with caplog.at_level(logging.WARNING):
        assert_problem(await sign_in(api, device), 401, "unauthorized")
    assert "passkey" not in caplog.text


async def test_a_device_has_one_passkey_of_an_account(api: Api) -> None:
    device, headers, other = await add(api, ANN), await api.signed_in(ANN), await api.signed_in(BOB)
    options = await begin_adding(api, headers)
    excluded = {"id": to_base64(device.credential_id), "type": "public-key", "transports": ["internal"]}
    assert options["excludeCredentials"] == [excluded]
    for own in (headers, other):
        body = device.create(await begin_adding(api, own))
        assert_problem(await api.client.post(PASSKEYS, json=body, headers=own), 400, "invalid_request")
    assert from_base64(options["user"]["id"]).hex() == (await api.client.get("/api/me", headers=headers)).json()[
        "id"
    ].replace("-", "")


async def test_an_account_has_a_limited_number_of_passkeys(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, passkeys_per_account=2) as api:
        headers = await api.signed_in(ANN)
        bodies = [Authenticator(ORIGIN).create(await begin_adding(api, headers)) for _ in range(3)]
        statuses = [(await api.client.post(PASSKEYS, json=body, headers=headers)).status_code for body in bodies]
        assert statuses == [201, 201, 403]
        refused = await api.client.post(f"{PASSKEYS}/challenges", headers=headers)
        assert_problem(refused, 403, "forbidden")
        assert (await api.client.get(PASSKEYS, headers=headers)).json()["limit"] == 2
        assert (await api.client.post(f"{PASSKEYS}/challenges", headers=await api.signed_in(BOB))).status_code == 200


async def test_adding_a_passkey_needs_a_recent_sign_in(api: Api, database_url: str) -> None:
    headers = await api.signed_in(ANN)
    body = Authenticator(ORIGIN).create(await begin_adding(api, headers))
    with psycopg.connect(database_url) as conn:
        conn.execute("update account_sessions set created_at = now() - interval '601 s'")
    assert_problem(await api.client.post(PASSKEYS, json=body, headers=headers), 403, "forbidden")
    assert_problem(await api.client.post(f"{PASSKEYS}/challenges", headers=headers), 403, "forbidden")


async def test_an_account_that_was_deleted_cannot_sign_in(api: Api, database_url: str) -> None:
    device = await add(api, ANN)
    with psycopg.connect(database_url) as conn:
        conn.execute("delete from account_sessions")
        conn.execute("delete from accounts")
    assert_problem(await sign_in(api, device), 401, "unauthorized")


async def test_challenges_are_limited_for_each_address(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_api(database_url, tmp_path, passkey_challenges_per_minute=2) as api:
        monkeypatch.setattr(api.state.passkey_challenges, "_clock", lambda: 0.0)
        responses = [await api.client.post("/api/sessions/passkeys") for _ in range(3)]
        assert [response.status_code for response in responses] == [200, 200, 429]
        assert responses[-1].headers["RateLimit-Policy"] == '"passkey_challenges";q=2;w=60'
        headers = await api.signed_in(ANN)
        assert (await api.client.post(f"{PASSKEYS}/challenges", headers=headers)).status_code == 429


async def test_attempts_with_the_passkeys_of_an_account_are_limited(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, sign_ins_per_minute=2) as api:
        device, other = await add(api, ANN), await add(api, BOB)
        another_key(device)
        statuses = [(await sign_in(api, device)).status_code for _ in range(3)]
        assert statuses == [401, 401, 429]
        assert (await sign_in(api, other)).status_code == 200


async def test_hostile_bytes_are_refused(api: Api) -> None:
    device, headers = await add(api, ANN), await api.signed_in(ANN)
    hostile = ["A", "AA", to_base64(b"{}"), to_base64(b"\x9f" * 3000), to_base64(b"[" * 3000), to_base64(bytes(300))]
    for value in hostile:
        for field in ("id", "clientData", "authenticatorData", "signature", "userHandle"):
            body = device.sign(await begin_sign_in(api))
            body["passkey"][field] = value[:1300]
            assert_problem(await api.client.post("/api/sessions", json=body), 401, "unauthorized")
        for field in ("clientData", "attestation"):
            created = {**Authenticator(ORIGIN).create(await begin_adding(api, headers)), field: value}
            assert_problem(await api.client.post(PASSKEYS, json=created, headers=headers), 400, "invalid_request")
    assert (await sign_in(api, device)).status_code == 200
