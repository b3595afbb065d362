"""The box office finds the orders of its own event by what a buyer knows."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.commands.seed import parse_inventory, seed
from api.schemas import BUILT_IN_EVENT
from api.services.accounts.grants import grant
from tests.acceptance.access.accounts import Api, new_secret, running_api
from tests.acceptance.system import assert_problem

pytestmark = pytest.mark.xdist_group("access")

ANN, CLERK = "ann@example.org", "clerk@example.org"
ELSEWHERE = "elsewhere"


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """An API with a second event, and a clerk with a role for the built-in event."""
    seed(database_url, event=ELSEWHERE, inventory=parse_inventory("GA=5"))
    async with running_api(database_url, tmp_path) as api:
        await grant(api.state.pool, CLERK, "box_office", BUILT_IN_EVENT, author="test")
        yield api


async def search(api: Api, text: str, *, event: str = BUILT_IN_EVENT, email: str = CLERK) -> httpx.Response:
    headers = await api.signed_in(email)
    return await api.client.get(f"/api/desk/events/{event}/orders", params={"search": text}, headers=headers)


async def found(api: Api, text: str, **of: str) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = (await search(api, text, **of)).raise_for_status().json()["orders"]
    return orders


async def test_an_order_is_found_by_all_that_its_buyer_knows(api: Api) -> None:
    first = await api.book(new_secret(), email=ANN, quantity=2)
    second = await api.book(new_secret(), email=ANN.title())
    await api.book(new_secret(), email="another@example.org")
    short = first["shortReference"]
    for text in (first["reference"], short, f" {short[:4]}-{short[4:].lower()} "):
        assert [order["reference"] for order in await found(api, text)] == [first["reference"]]
    by_address = await found(api, ANN.upper())
    assert [order["reference"] for order in by_address] == [second["reference"], first["reference"]]
    order = by_address[1]
    assert (order["shortReference"], order["status"], order["payment"]) == (short, "confirmed", "captured")
    assert (order["quantity"], order["total"], order["currency"], order["email"]) == (2, 20, "USD", ANN)
    assert order["mail"] is None
    assert not {"bookingSecret", "bookings"} & order.keys()
    assert await found(api, "nobody@example.org") == await found(api, "%") == await found(api, "00000000") == []


async def test_the_search_shows_that_an_e_mail_has_bounced(api: Api) -> None:
    reference = (await api.book(new_secret(), email=ANN))["reference"]
    async with api.state.pool.connection() as connection:
        await connection.execute(
            "insert into messages (kind, order_id, recipient, locale, message_id, status, last_error) "
            "select 'confirmed', id, email, 'en', '<1@test>', 'bounced', '550 no such user' from orders"
        )
    (order,) = await found(api, reference)
    mail = order["mail"]
    assert (mail["kind"], mail["status"], mail["error"]) == ("confirmed", "bounced", "550 no such user")


async def test_a_role_for_one_event_shows_no_order_of_another_event(api: Api) -> None:
    there = await api.client.post(
        f"/api/bookings?event={ELSEWHERE}",
        json={"tier": "GA", "quantity": 1, "userId": "user-123", "email": ANN},
        headers=new_secret(),
    )
    reference = there.raise_for_status().json()["reference"]
    assert await found(api, reference) == await found(api, ANN) == []
    refused = await search(api, reference, event=ELSEWHERE)
    assert_problem(refused, 403, "forbidden")
    unknown = await search(api, reference, event="unknown")
    assert (unknown.status_code, unknown.text) == (403, refused.text)
    await grant(api.state.pool, CLERK, "organiser", ELSEWHERE, author="test")
    assert [order["reference"] for order in await found(api, reference, event=ELSEWHERE)] == [reference]


async def test_an_admin_learns_that_an_event_is_unknown(api: Api) -> None:
    await grant(api.state.pool, "admin@example.org", "admin", None, author="test")
    assert_problem(await search(api, ANN, event="unknown", email="admin@example.org"), 404, "unknown_event")


@pytest.mark.parametrize("text", ["", "x" * 255, " ", "a\x00b"])
async def test_an_invalid_search_is_refused(api: Api, text: str) -> None:
    assert_problem(await search(api, text), 400, "invalid_request")
