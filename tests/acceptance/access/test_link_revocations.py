"""The holder of an order makes its links invalid, and nobody else keeps access."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from api.services.access import link_secret
from tests.acceptance.access.accounts import Api, new_secret, running_api
from tests.acceptance.system import assert_problem

pytestmark = pytest.mark.xdist_group("access")

ANN, BOB = "ann@example.org", "bob@example.org"
NEW, OTHER = "new-" + "n" * 39, "other-" + "o" * 37


def link(api: Api, reference: str, generation: int = 0) -> dict[str, str]:
    """Return the header with the secret of a link in an e-mail."""
    return {"Booking-Secret": link_secret(api.state.access_secret, reference, generation)}


async def revoke(api: Api, reference: str, headers: dict[str, str], secret: str | None = None) -> httpx.Response:
    return await api.client.post(f"/api/bookings/{reference}/links/revoke", json={"secret": secret}, headers=headers)


async def statuses(api: Api, reference: str, *headers: dict[str, str]) -> list[int]:
    """Return the status of the order for each of some headers."""
    return [(await api.client.get(f"/api/bookings/{reference}", headers=each)).status_code for each in headers]


async def listed(api: Api, *headers: dict[str, str]) -> list[list[str]]:
    """Return the references that the list of the buyer has for each of some headers."""
    pages = [await api.client.get("/api/bookings", params={"userId": "user-123"}, headers=each) for each in headers]
    return [[order["reference"] for order in page.json()["orders"]] for page in pages]


async def test_after_a_revocation_only_the_new_secret_and_later_links_give_access(api: Api) -> None:
    own = new_secret()
    reference = (await api.book(own))["reference"]
    assert await statuses(api, reference, own, link(api, reference)) == [200, 200]
    revoked = await revoke(api, reference, own)
    assert revoked.status_code == 200
    assert revoked.headers["Cache-Control"] == "no-store"
    body = revoked.json()
    assert (body["success"], body["reference"], body["linkGeneration"]) == (True, reference, 1)
    present = {"Booking-Secret": body["bookingSecret"]}
    headers: tuple[dict[str, str], ...] = (
        own,
        link(api, reference),
        {},
        present,
        link(api, reference, 1),
        link(api, reference, 2),
    )
    assert await statuses(api, reference, *headers) == [404, 404, 404, 200, 200, 404]
    assert await listed(api, *headers) == [[], [], [], [reference], [reference], []]
    assert_problem(await revoke(api, reference, own), 404, "not_found")
    again = await revoke(api, reference, link(api, reference, 1))
    assert again.json()["linkGeneration"] == 2
    assert await statuses(api, reference, *headers) == [404, 404, 404, 404, 404, 200]


@pytest.mark.parametrize("path", ["tickets/1.svg", "tickets.pdf", "calendar.ics"])
async def test_an_old_link_opens_no_document(api: Api, path: str) -> None:
    own = new_secret()
    reference = (await api.book(own))["reference"]
    old = link(api, reference)
    assert (await api.client.get(f"/api/bookings/{reference}/{path}", headers=old)).status_code == 200
    await revoke(api, reference, own)
    assert (await api.client.get(f"/api/bookings/{reference}/{path}", headers=old)).status_code == 404


async def test_an_account_keeps_its_order_and_a_stranger_cannot_revoke(api: Api) -> None:
    own, secret = await api.signed_in(ANN), new_secret()
    reference = (await api.book({**own, **secret}))["reference"]
    for stranger in ({}, new_secret(), await api.signed_in(BOB), link(api, f"{reference}x")):
        assert_problem(await revoke(api, reference, stranger), 404, "not_found")
    assert await statuses(api, reference, secret) == [200]
    assert (await revoke(api, reference, own)).status_code == 200
    assert await statuses(api, reference, own, secret) == [200, 404]


async def test_a_repeat_without_a_response_gets_the_same_secret(api: Api) -> None:
    own = new_secret()
    reference = (await api.book(own))["reference"]
    first, repeat = [await revoke(api, reference, own, NEW) for _ in range(2)]
    assert (first.status_code, first.json()["bookingSecret"], repeat.text) == (200, NEW, first.text)
    assert_problem(await revoke(api, reference, own, OTHER), 404, "not_found")
    assert await statuses(api, reference, {"Booking-Secret": NEW}) == [200]


async def test_the_present_secret_is_no_new_one(api: Api) -> None:
    own = new_secret()
    reference = (await api.book(own))["reference"]
    assert_problem(await revoke(api, reference, own, own["Booking-Secret"]), 409, "secret_unchanged")
    assert_problem(await revoke(api, reference, {}, own["Booking-Secret"]), 409, "secret_unchanged")
    await revoke(api, reference, own, NEW)
    assert_problem(await revoke(api, reference, {"Booking-Secret": NEW}, NEW), 409, "secret_unchanged")
    assert await statuses(api, reference, link(api, reference, 1), link(api, reference, 2)) == [200, 404]


@pytest.mark.parametrize("secret", ["", "short", "x" * 129, "x" * 32 + "\n", "L1.r." + "m" * 43])
async def test_an_invalid_secret_is_refused(api: Api, secret: str) -> None:
    own = new_secret()
    reference = (await api.book(own))["reference"]
    assert_problem(await revoke(api, reference, own, secret), 400, "invalid_request")
    assert await statuses(api, reference, own) == [200]


async def test_the_former_secret_gets_no_response_to_a_repeat_of_the_booking(api: Api) -> None:
    own = new_secret()
    body: dict[str, Any] = {"tier": "GA", "quantity": 1, "userId": "user-123", "bookingReference": "r"}
    await api.book(own, **body)
    assert (await api.client.post("/api/bookings", json=body, headers=own)).headers["Idempotent-Replayed"] == "true"
    await revoke(api, "r", own, NEW)
    for headers in (own, {"Booking-Secret": NEW}, {}):
        assert_problem(await api.client.post("/api/bookings", json=body, headers=headers), 422, "key_reused")


async def test_a_revocation_closes_an_order_without_a_secret(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, guest_orders="open") as api:
        reference = (await api.book())["reference"]
        secret = (await revoke(api, reference, {})).json()["bookingSecret"]
        assert await statuses(api, reference, {}, {"Booking-Secret": secret}) == [404, 200]
