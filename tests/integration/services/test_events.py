"""The events that the API returns: their states, their prices, and the selection of the list."""

import json
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.errors import CheckViolation, InvalidParameterValue

from api.commands.seed import parse_inventory, seed, seed_default
from api.database.pool import Pool
from api.errors import NotOnSale, UnknownEvent
from api.schemas import BUILT_IN_EVENT
from api.services.events import EVENTS_LISTED_MAX, event_cache, event_list_cache
from tests.integration.asynchronous import RULES, apply_updates, book, hold, order, response
from tests.waiting import snapshot_of


async def shown(pool: Pool, slug: str = BUILT_IN_EVENT) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((await snapshot_of(event_cache(pool, RULES), slug)).body)
    return event


async def listed(pool: Pool) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads((await snapshot_of(event_list_cache(pool), None)).body)["events"]
    return events


async def test_the_built_in_event_has_every_field_of_its_page(pool: Pool) -> None:
    event = await shown(pool)
    rules = {"ticketsMin": 1, "ticketsMax": 10, "ticketsPerBuyer": None, "holdSeconds": 300}
    assert event == {
        "slug": BUILT_IN_EVENT,
        "name": "Aurora Sessions",
        "venue": "Harbour Hall",
        "address": "12 Quay Street, New York, NY 10004, USA",
        "description": "One night of strings, synths and northern light, live by the water.",
        "doorsAt": "2027-06-18T23:00:00Z",
        "startsAt": "2027-06-19T00:00:00Z",  # 20:00 in New York
        "endsAt": None,
        "timeZone": "America/New_York",
        "salesStartAt": event["salesStartAt"],
        "salesEndAt": None,
        "currency": "USD",
        "currencyDigits": 2,
        "revision": event["revision"],
        "state": "on_sale",
        "priceFrom": 10,
        **rules,
        "tiers": [
            {"name": "VIP", "price": 100, "total": 100, "seated": True, **rules},
            {"name": "Front Row", "price": 50, "total": 200, "seated": True, **rules},
            {"name": "GA", "price": 10, "total": 1000, "seated": False, **rules},
        ],
    }
    assert event["salesStartAt"].endswith("Z")


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("update events set sales_end_at = now() + interval '1 hour'", "on_sale"),
        ("update events set sales_start_at = now() + interval '1 hour'", "upcoming"),
        ("update events set sales_end_at = now()", "ended"),
        ("update events set doors_at = null, starts_at = now()", "ended"),
        ("update events set doors_at = null, starts_at = now(), sales_end_at = now() + interval '1 hour'", "ended"),
        ("update events set cancelled_at = now()", "cancelled"),
        ("update events set cancelled_at = now(), sales_start_at = now() + interval '1 hour'", "cancelled"),
        ("update events set cancelled_at = now(), doors_at = null, starts_at = now()", "cancelled"),
    ],
)
async def test_the_state_matches_the_result_of_a_booking(
    pool: Pool, conn: AsyncConnection, change: str, state: str
) -> None:
    await conn.execute(change)
    assert (await shown(pool))["state"] == state
    (outcome,) = await book(pool, order())
    assert isinstance(response(outcome), NotOnSale) == (state != "on_sale")


async def test_the_doors_are_shown_once_they_are_announced(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute("update events set doors_at = null where slug = %s", [BUILT_IN_EVENT])
    assert (await shown(pool))["doorsAt"] is None
    await conn.execute("update events set doors_at = starts_at - interval '1 hour' where slug = %s", [BUILT_IN_EVENT])
    assert (await shown(pool))["doorsAt"] == "2027-06-18T23:00:00Z"
    assert {event["slug"]: event["doorsAt"] for event in await listed(pool)}[BUILT_IN_EVENT] == "2027-06-18T23:00:00Z"


async def test_the_database_refuses_doors_that_open_after_the_start(conn: AsyncConnection) -> None:
    with pytest.raises(CheckViolation, match="events_doors_at_check"):
        await conn.execute("update events set doors_at = starts_at + interval '1 second'")


async def test_a_booking_of_a_cancelled_event_is_refused_as_such(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute("update events set cancelled_at = now()")
    (outcome,) = await book(pool, order())
    assert str(response(outcome)) == "The concert is cancelled, so its tickets are no longer on sale."


async def test_an_event_with_held_tickets_is_not_sold_out(pool: Pool, database_url: str) -> None:
    seed(database_url, event="tiny", inventory=parse_inventory("VIP=2,GA=1"))
    held = [await hold(pool, event="tiny"), await hold(pool, "VIP", 2, event="tiny")]
    assert (await shown(pool, "tiny"))["state"] == "on_sale"
    await apply_updates(pool, {held[0].reference: "captured"})
    assert (await shown(pool, "tiny"))["state"] == "on_sale"
    await apply_updates(pool, {held[1].reference: "captured"})
    assert (await shown(pool, "tiny"))["state"] == "sold_out"


async def test_the_price_is_that_of_the_cheapest_available_tier(pool: Pool, database_url: str) -> None:
    seed(database_url, event="tiny", inventory=parse_inventory("VIP=1,GA=1"))
    assert (await shown(pool, "tiny"))["priceFrom"] == 10
    await hold(pool, event="tiny")
    assert (await shown(pool, "tiny"))["priceFrom"] == 100
    await hold(pool, "VIP", event="tiny")
    assert (await shown(pool, "tiny"))["priceFrom"] == 10


async def test_upcoming_events_are_listed_soonest_first(pool: Pool, database_url: str, conn: AsyncConnection) -> None:
    seed_default(database_url)
    events = await listed(pool)
    assert [(event["slug"], event["state"]) for event in events] == [
        ("small-hours", "sold_out"),
        (BUILT_IN_EVENT, "on_sale"),
        ("winterlight", "upcoming"),
    ]
    for event in events:
        assert (await shown(pool, event["slug"])).items() >= event.items()
    await conn.execute(
        "update events set doors_at = null, starts_at = now() + interval '1 hour', cancelled_at = now() where id = 1"
    )
    first, *_ = await listed(pool)
    assert (first["slug"], first["state"]) == (BUILT_IN_EVENT, "cancelled")
    await conn.execute("update events set doors_at = null, starts_at = now() where slug = 'small-hours'")
    assert [event["slug"] for event in await listed(pool)] == [BUILT_IN_EVENT, "winterlight"]
    assert (await shown(pool, "small-hours"))["state"] == "ended"  # buyers can still open the event


async def test_a_list_without_events_has_a_time(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute("update events set doors_at = null, starts_at = now()")
    counted = await snapshot_of(event_list_cache(pool), None)
    assert counted.body == b'{"events":[]}'
    assert counted.as_of.tzinfo is not None


async def test_the_list_has_a_limit(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute(
        """
        with made as (
            insert into events (slug, name, venue, starts_at, sales_start_at, currency)
            select 'e-' || n, 'E', 'V', now() + n * interval '1 minute', now(), 'USD' from generate_series(1, 150) as n
            returning id
        )
        insert into tiers (event_id, name, display_order, price_minor, seated, capacity, last_position)
        select id, tier, row_number() over (), 100, false, 1, 1 from made cross join unnest('{A,B}'::text[]) as tier
        """
    )
    assert [event["slug"] for event in await listed(pool)] == [f"e-{n}" for n in range(1, EVENTS_LISTED_MAX + 1)]


async def test_a_missing_event_is_unknown(pool: Pool) -> None:
    with pytest.raises(UnknownEvent):
        await snapshot_of(event_cache(pool, RULES), "no-such-evening")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "+3", "UTC+3", "America/New_York'"])
async def test_an_event_cannot_have_an_unknown_time_zone(conn: AsyncConnection, zone: str) -> None:
    with pytest.raises((CheckViolation, InvalidParameterValue), match=r"time.zone"):
        await conn.execute("update events set time_zone = %s", [zone])
