"""The rules of events and tiers: how they are created, stored and shown."""

import json
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.errors import CheckViolation

from api.commands import seed
from api.commands.audit import audit
from api.database.pool import Pool
from api.schemas import BUILT_IN_EVENT
from api.services.bookings.model import Item
from api.services.events import event_cache
from api.services.order_rows import OrderRow
from api.services.order_rules import OrderRules, OwnRules
from tests.integration.asynchronous import order
from tests.integration.services.bookings.test_batcher import responses, running_batcher
from tests.waiting import snapshot_of

DEFAULTS = OrderRules(hold_seconds=120, tickets_max=6)
SHOWN = ("ticketsMin", "ticketsMax", "ticketsPerBuyer", "holdSeconds")


async def shown(pool: Pool, slug: str = BUILT_IN_EVENT) -> dict[str, list[Any]]:
    """Return the rules of an event, and of its tiers by name, as clients get them."""
    event = json.loads((await snapshot_of(event_cache(pool, DEFAULTS), slug)).body)
    return {"": [event[rule] for rule in SHOWN]} | {
        tier["name"]: [tier[rule] for rule in SHOWN] for tier in event["tiers"]
    }


async def test_an_event_without_rules_has_those_of_the_settings(pool: Pool) -> None:
    defaults = [1, 6, None, 120]
    assert await shown(pool) == {"": defaults, "VIP": defaults, "Front Row": defaults, "GA": defaults}


async def test_a_plan_creates_the_rules_of_its_event_and_tiers(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = seed.EventPlan(
        slug="ruled",
        name="Ruled",
        starts_at=seed.DEFAULT_EVENTS[0].starts_at,
        inventory=(
            seed.TierPlan(name="VIP", capacity=4, price_minor=1, rules=OwnRules(hold_seconds=60, tickets_per_buyer=2)),
            seed.TierPlan(name="Group", capacity=40, price_minor=1, rules=OwnRules(tickets_min=10, tickets_max=15)),
            seed.TierPlan(name="GA", capacity=40, price_minor=1),
        ),
        rules=OwnRules(hold_seconds=600, tickets_per_buyer=30, tickets_min=2, tickets_max=20),
    )
    monkeypatch.setattr(seed, "DEFAULT_EVENTS", (plan,))
    seed.seed_default(database_url)
    assert await shown(pool, "ruled") == {
        "": [2, 20, 30, 600],
        "VIP": [1, 20, 2, 60],
        "Group": [10, 15, 30, 600],
        "GA": [1, 20, 30, 600],
    }


@pytest.mark.parametrize("table", ["events", "tiers"])
@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("hold_seconds = 0", "hold_seconds"),
        ("hold_seconds = 86401", "hold_seconds"),
        ("tickets_per_buyer = 0", "tickets_per_buyer"),
        ("tickets_min = 0", "tickets_min"),
        ("tickets_min = 1001", "tickets_min"),
        ("tickets_max = 0", "tickets_max"),
        ("tickets_max = 1001", "tickets_max"),
        ("tickets_min = 3, tickets_max = 2", "tickets_range"),
        ("tickets_min = 3, tickets_per_buyer = 2", "tickets_range"),
    ],
)
async def test_the_database_refuses_impossible_rules(
    conn: AsyncConnection, table: str, change: str, constraint: str
) -> None:
    with pytest.raises(CheckViolation, match=f"{table}_{constraint}_check"):
        await conn.execute(f"update {table} set {change}")  # noqa: S608 - the test's own text


@pytest.mark.parametrize("table", ["events", "tiers"])
async def test_a_change_of_a_rule_is_a_change_of_the_event(conn: AsyncConnection, table: str) -> None:
    query = "select revision from events where slug = %s"
    before = await (await conn.execute(query, [BUILT_IN_EVENT])).fetchone()
    await conn.execute(f"update {table} set tickets_min = 2")  # noqa: S608 - the test's own text
    after = await (await conn.execute(query, [BUILT_IN_EVENT])).fetchone()
    assert before is not None
    assert after is not None
    assert after[0] > before[0]


@pytest.mark.parametrize("path", ["direct", "careful"])
async def test_one_batch_mixes_holds_and_a_basket_has_the_shortest_one(
    database_url: str, conn: AsyncConnection, path: str
) -> None:
    await conn.execute("update events set hold_seconds = 600")
    await conn.execute("update tiers set hold_seconds = 60 where name = 'VIP'")
    settings = {"payment_mode": "async", "booking_path": path, "held_tickets_per_address": 0}
    both = order(items=(Item(tier="GA", quantity=1), Item(tier="VIP", quantity=1)))
    async with running_batcher(database_url, **settings) as batcher:
        for tier in ("VIP", "GA"):  # A direct sale needs tiers that the process knows.
            await responses(batcher, order(tier))
        held = await responses(batcher, order("VIP"), order("GA"), both)
    assert [_held_s(each) for each in held] == [60, 600, 60]
    assert audit(database_url) == []  # The tickets are held as long as their orders.


def _held_s(outcome: object) -> float:
    assert isinstance(outcome, OrderRow)
    assert outcome.expires_at is not None
    return (outcome.expires_at - outcome.created_at).total_seconds()
