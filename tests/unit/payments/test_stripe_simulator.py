"""The payment simulator's part of Stripe's API, over HTTP without a network."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from api.commands.payment_simulator import create_app
from api.config import Settings
from api.payments.stripe_simulator.errors import StripeRefused
from api.payments.stripe_simulator.form import parse_form
from api.payments.stripe_simulator.pages import pay_page
from api.payments.stripe_simulator.store import SESSION_LIFE_S, StripeStore

KEY = {"Authorization": "Bearer sk_test_1"}
SESSION = {
    "mode": "payment",
    "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "1250",
    "line_items[0][price_data][product_data][name]": "Tickets",
    "line_items[0][quantity]": "2",
    "success_url": "https://shop.example/booking/a",
    "client_reference_id": "a",
    "payment_intent_data[metadata][reference]": "a",
}

Answer = dict[str, Any]


@contextlib.asynccontextmanager
async def simulator(directory: Path, **faults: float) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data_dir=directory, psp_loss_rate=1, **cast("Any", {"psp_delay_ms": 0} | faults))
    app = create_app(settings)
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(cast("Any", app)), base_url="http://127.0.0.1") as client,
    ):
        yield client


async def post(client: httpx.AsyncClient, path: str, fields: dict[str, str], key: str | None = None) -> httpx.Response:
    headers = KEY if key is None else KEY | {"Idempotency-Key": key}
    return await client.post(f"/v1{path}", data=fields, headers=headers)


async def paid(client: httpx.AsyncClient) -> Answer:
    """Return a Checkout Session that was paid."""
    session = (await post(client, "/checkout/sessions", SESSION)).json()
    assert (await client.post(f"/pay/{session['id']}", data={"outcome": "captured"})).status_code == 303
    return await read(client, f"/checkout/sessions/{session['id']}")


async def read(client: httpx.AsyncClient, path: str, **query: str) -> Answer:
    answer: Answer = (await client.get(f"/v1{path}", params=query, headers=KEY)).json()
    return answer


async def test_a_session_is_paid_on_the_hosted_page(tmp_path: Path) -> None:
    async with simulator(tmp_path) as client:
        created = (await post(client, "/checkout/sessions", SESSION)).json()
        assert (created["status"], created["amount_total"], created["payment_intent"]) == ("open", 2500, None)
        page = await client.get(f"/pay/{created['id']}")
        assert "25.00 USD" in page.text
        response = await client.post(f"/pay/{created['id']}", data={"outcome": "captured"})
        assert (response.status_code, response.headers["Location"]) == (303, SESSION["success_url"])
        session = await read(
            client, f"/checkout/sessions/{created['id']}", **{"expand[0]": "payment_intent.latest_charge"}
        )
        assert (session["status"], session["payment_status"], session["url"]) == ("complete", "paid", None)
        assert session["payment_intent"]["metadata"] == {"reference": "a"}
        assert session["payment_intent"]["latest_charge"]["amount"] == 2500


async def test_a_declined_card_leaves_the_session_open(tmp_path: Path) -> None:
    async with simulator(tmp_path) as client:
        session = (await post(client, "/checkout/sessions", SESSION)).json()
        page = await client.post(f"/pay/{session['id']}", data={"outcome": "declined"})
        assert (page.status_code, "declined" in page.text) == (200, True)
        assert (await read(client, f"/checkout/sessions/{session['id']}"))["status"] == "open"
        assert (await client.post(f"/pay/{session['id']}", data={"outcome": "captured"})).status_code == 303


async def test_nobody_can_pay_an_expired_session(tmp_path: Path) -> None:
    async with simulator(tmp_path) as client:
        session = (await post(client, "/checkout/sessions", SESSION)).json()
        assert (await post(client, f"/checkout/sessions/{session['id']}/expire", {})).json()["status"] == "expired"
        page = await client.post(f"/pay/{session['id']}", data={"outcome": "captured"})
        assert (page.status_code, "no longer" in page.text) == (200, True)
        again = await post(client, f"/checkout/sessions/{session['id']}/expire", {})
        assert (again.status_code, again.json()["error"]["type"]) == (400, "invalid_request_error")
        assert (await read(client, "/payment_intents"))["data"] == []


async def test_a_key_creates_one_object_and_keeps_its_parameters(tmp_path: Path) -> None:
    async with simulator(tmp_path) as client:
        first = await post(client, "/checkout/sessions", SESSION, key="k")
        repeat = await post(client, "/checkout/sessions", SESSION, key="k")
        assert repeat.content == first.content
        assert repeat.headers["Idempotent-Replayed"] == "true"
        other = await post(client, "/checkout/sessions", SESSION | {"line_items[0][quantity]": "3"}, key="k")
        assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
        assert len((await read(client, "/checkout/sessions"))["data"]) == 1


async def test_refunds_never_exceed_the_charge(tmp_path: Path) -> None:
    async with simulator(tmp_path) as client:
        intent = (await paid(client))["payment_intent"]
        part = await post(client, "/refunds", {"payment_intent": intent, "amount": "2000"})
        assert part.json()["status"] == "succeeded"
        more = await post(client, "/refunds", {"payment_intent": intent, "amount": "501"})
        assert (more.status_code, "greater than unrefunded" in more.json()["error"]["message"]) == (400, True)
        assert (await post(client, "/refunds", {"payment_intent": intent})).json()["amount"] == 500
        whole = await post(client, "/refunds", {"payment_intent": intent, "amount": "1"})
        assert whole.json()["error"]["code"] == "charge_already_refunded"
        assert len((await read(client, "/refunds", payment_intent=intent))["data"]) == 2


async def test_a_refund_without_funds_is_pending_and_succeeds_later(tmp_path: Path) -> None:
    async with simulator(tmp_path, psp_short_funds_rate=1, psp_delay_ms=1) as client:
        intent = (await paid(client))["payment_intent"]
        refund = (await post(client, "/refunds", {"payment_intent": intent})).json()
        assert (refund["status"], refund["pending_reason"]) == ("pending", "insufficient_funds")
        while (await read(client, f"/refunds/{refund['id']}"))["status"] == "pending":  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert (await read(client, f"/refunds/{refund['id']}"))["status"] == "succeeded"


async def test_a_failed_refund_can_be_made_again(tmp_path: Path) -> None:
    async with simulator(tmp_path, psp_refund_failure_rate=1) as client:
        intent = (await paid(client))["payment_intent"]
        refund = (await post(client, "/refunds", {"payment_intent": intent})).json()
        while (await read(client, f"/refunds/{refund['id']}"))["status"] == "pending":  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert (await read(client, f"/refunds/{refund['id']}"))["failure_reason"] == "expired_or_canceled_card"
        assert (await post(client, "/refunds", {"payment_intent": intent})).status_code == 200


async def test_events_report_each_change_in_order(tmp_path: Path) -> None:
    async with simulator(tmp_path) as client:
        session = (await post(client, "/checkout/sessions", SESSION)).json()
        await client.post(f"/pay/{session['id']}", data={"outcome": "disputed"})
        events = (await read(client, "/events"))["data"]
        assert [event["type"] for event in reversed(events)] == [
            "payment_intent.succeeded",
            "checkout.session.completed",
            "charge.dispute.created",
        ]
        assert events[1]["data"]["object"]["client_reference_id"] == "a"
        ((dispute),) = (await read(client, "/disputes"))["data"]
        assert (dispute["amount"], dispute["status"]) == (2500, "needs_response")


async def test_pages_of_a_list_show_each_object_once(tmp_path: Path) -> None:
    async with simulator(tmp_path) as client:
        created = [(await post(client, "/checkout/sessions", SESSION)).json()["id"] for _ in range(3)]
        first = await read(client, "/checkout/sessions", limit="2")
        rest = await read(client, "/checkout/sessions", limit="2", starting_after=first["data"][-1]["id"])
        assert [each["id"] for each in first["data"] + rest["data"]] == created[::-1]
        assert (first["has_more"], rest["has_more"]) == (True, False)
        future = await read(client, "/checkout/sessions", **{"created[gte]": str(10**11)})
        assert future["data"] == []


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"mode": "subscription"}, "mode"),
        ({"line_items[0][price_data][unit_amount]": "-1"}, "unit_amount"),
        ({"line_items[0][price_data][currency]": "isk", "line_items[0][quantity]": "1"}, "line_items"),
        ({"locale": "de"}, "locale"),
        ({"expires_at": "1"}, "expires_at"),
        ({"mode[a]": "payment"}, "mode[a]"),
    ],
)
async def test_invalid_parameters_are_refused(tmp_path: Path, change: dict[str, str], param: str) -> None:
    async with simulator(tmp_path) as client:
        refused = await post(client, "/checkout/sessions", SESSION | change)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


async def test_requests_need_a_key_and_may_be_too_many(tmp_path: Path) -> None:
    async with simulator(tmp_path) as client:
        assert (await client.get("/v1/refunds")).status_code == 401
    async with simulator(tmp_path, psp_limit_rate=1) as client:
        assert (await client.get("/v1/refunds", headers=KEY)).json()["error"]["code"] == "rate_limit"


async def test_only_the_hosted_page_may_be_posted_by_a_browser(tmp_path: Path) -> None:
    async with simulator(tmp_path) as client:
        session = (await post(client, "/checkout/sessions", SESSION)).json()
        path, body = f"/pay/{session['id']}", {"outcome": "declined"}
        assert (await client.post(path, data=body, headers={"Origin": "https://evil.example"})).status_code == 403
        assert (await client.post(path, data=body, headers={"Origin": "http://127.0.0.1"})).status_code == 200
        refused = await client.post("/v1/refunds", data={}, headers=KEY | {"Origin": "http://127.0.0.1"})
        assert refused.status_code == 403


def test_a_session_expires_by_itself() -> None:
    times, events = [1000.0], list[Answer]()
    store = StripeStore("http://pay/", lambda event, _: events.append(event), now=lambda: times[0])
    session = store.create_session(parse_form("&".join(f"{name}={value}" for name, value in SESSION.items())))
    times[0] += SESSION_LIFE_S
    assert store.get("checkout.session", session["id"])["status"] == "expired"
    assert [event["type"] for event in events] == ["checkout.session.expired"]


def test_a_form_is_nested() -> None:
    assert parse_form("a[b][0][c]=1&a[d]=x&e[]=y&e[]=z") == {
        "a": {"b": {"0": {"c": "1"}}, "d": "x"},
        "e": {"0": "y", "1": "z"},
    }


@pytest.mark.parametrize("encoded", ["a=1&a=2", "a=1&a[b]=2", "a", "[a]=1", "&".join(f"a{n}=1" for n in range(201))])
def test_a_malformed_form_is_refused(encoded: str) -> None:
    with pytest.raises(StripeRefused):
        parse_form(encoded)


def test_the_hosted_page_requests_no_icon_and_fits_a_phone() -> None:
    session = {"status": "open", "amount_total": 20_000, "currency": "usd", "cancel_url": "http://localhost:3000/"}
    page = pay_page(session)
    assert '<link rel="icon" href="data:,">' in page
    assert "min-height: 44px" in page
    assert "200.00 USD" in page
    assert "{" in page.partition("</style>")[0]
    assert "{{" not in page
