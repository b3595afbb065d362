"""An event with values that clients cannot read hides no other event, and blocks no other order."""

import json
from typing import Any

import pytest
from psycopg import AsyncConnection

from api.commands.seed import seed_default
from api.config import Settings
from api.database.pool import Pool
from api.errors import UnknownEvent
from api.schemas import BUILT_IN_EVENT
from api.services.availability import availability_cache
from api.services.bookings.model import Booked
from api.services.events import event_cache, event_list_cache
from api.services.order_views import list_orders
from api.services.states import states_cache
from tests.integration.asynchronous import ASYNC, OPEN, RULES, apply_updates, book, hold, order
from tests.waiting import snapshot_of

BAD, GOOD = "small-hours", [BUILT_IN_EVENT, "winterlight"]


@pytest.fixture
def settings() -> Settings:
    return ASYNC


@pytest.fixture
async def unconstrained(database_url: str, conn: AsyncConnection) -> AsyncConnection:
    """A connection to a database with three events, without constraints on their values and a record of changes."""
    seed_default(database_url)
    await conn.execute("alter table events disable trigger events_note_details")
    for table in ("events", "tiers"):
        cursor = await conn.execute(
            "select conname from pg_constraint where conrelid = %s::regclass and contype = 'c'", [table]
        )
        for (name,) in await cursor.fetchall():
            await conn.execute(f"alter table {table} drop constraint {name}".encode())
    await conn.execute("alter table events alter name drop not null, alter currency drop not null")
    await conn.execute("alter table tiers alter price_minor drop not null")
    return conn


async def listed(cache: Any) -> list[str]:
    return [event["slug"] for event in json.loads((await snapshot_of(cache, None)).body)["events"]]


UNREADABLE = [
    *(f"{name} = 'infinity'" for name in ("sales_end_at", "starts_at", "doors_at")),
    *(f"{name} = '10000-01-01'" for name in ("sales_end_at", "starts_at", "doors_at")),
    *("sales_start_at = '-infinity'", "starts_at = '294276-12-31 23:59:59+00'", "sales_start_at = '4000-01-01 BC'"),
    *("name = null", "currency = null"),
]


READABLE = """
    update events set sales_start_at = now() - interval '1 day', sales_end_at = null, doors_at = null,
        starts_at = now() + interval '1 hour', name = 'Good', currency = 'USD'
    where slug = %s
"""


async def test_an_unreadable_event_hides_no_other(
    pool: Pool, unconstrained: AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    for change in UNREADABLE:
        caplog.clear()
        await unconstrained.execute(f"update events set {change} where slug = %s".encode(), [BAD])  # noqa: S608
        cache = event_list_cache(pool)
        for _ in range(2):
            assert await listed(cache) == GOOD, change
            cache._snapshots.clear()
        messages = [record.getMessage() for record in caplog.records if record.name == "api.services.events"]
        assert messages == [f"Event {BAD!r} is not listed, because a value of it cannot be read"], change
        event = event_cache(pool, RULES)
        for slug in GOOD:
            assert json.loads((await snapshot_of(event, slug)).body)["slug"] == slug
        with pytest.raises(UnknownEvent):
            await snapshot_of(event, BAD)
        await unconstrained.execute(READABLE, [BAD])
        assert set(await listed(cache)) == {BAD, *GOOD}


async def test_an_event_without_a_price_hides_no_other(
    pool: Pool, unconstrained: AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    await unconstrained.execute(
        "update tiers set price_minor = null where event_id = (select id from events where slug = %s)", [BAD]
    )
    assert await listed(event_list_cache(pool)) == GOOD
    availability = availability_cache(pool)
    for _ in range(2):
        with pytest.raises(UnknownEvent):
            await snapshot_of(availability, BAD)
    assert json.loads((await snapshot_of(availability, BUILT_IN_EVENT)).body)["GA"]["available"] == 1000
    assert sum(f"of {BAD} cannot be read" in record.getMessage() for record in caplog.records) == 1


async def test_a_hold_without_an_end_hides_no_state(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute("alter table tickets drop constraint tickets_times_check")
    await hold(pool, "VIP")
    await conn.execute("update tickets set held_until = 'infinity' where status = 'held'")
    states = json.loads((await snapshot_of(states_cache(pool, seats_max=5000), BUILT_IN_EVENT)).body)
    assert states["tiers"]["VIP"] == {"held": 1, "heldUntil": "9999-12-31T23:59:59.999999Z"}
    assert states["tiers"]["GA"] == {"held": 0, "heldUntil": None}


async def test_a_sale_without_an_end_is_open_in_the_same_batch(pool: Pool, unconstrained: AsyncConnection) -> None:
    await unconstrained.execute(
        "update events set sales_start_at = '-infinity', sales_end_at = 'infinity', ends_at = 'infinity' "
        "where slug = 'winterlight'"
    )
    for outcome in await book(pool, order(event="winterlight"), order()):
        assert isinstance(outcome, Booked)


async def test_payments_of_an_unreadable_event_settle_with_others(pool: Pool, unconstrained: AsyncConnection) -> None:
    first = await hold(pool)
    await unconstrained.execute(
        "update events set sales_start_at = now() - interval '1 day' where slug = 'winterlight'"
    )
    second = await hold(pool, event="winterlight")
    await unconstrained.execute("update events set sales_end_at = 'infinity', doors_at = null, starts_at = 'infinity'")
    await apply_updates(pool, {first.reference: "captured", second.reference: "captured"})
    cursor = await unconstrained.execute("select status from orders where id = any(%s)", [[first.id, second.id]])
    assert await cursor.fetchall() == [("confirmed",), ("confirmed",)]
    page = await list_orders(pool, "u", OPEN, show="upcoming", limit=10, cursor=None)
    assert [each.reference for each in page.orders] == [second.reference, first.reference]
