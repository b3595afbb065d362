"""The ticket states that the API returns: the holds of each tier and the letter of each seat."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from api.commands.seed import parse_inventory, seed
from api.database.pool import Pool
from api.errors import UnknownEvent
from api.schemas import BUILT_IN_EVENT
from api.services.orders import expire_holds
from api.services.returns import cancel_order
from api.services.states import states_cache
from tests.integration.asynchronous import ASYNC, OPEN, apply_updates, hold, let_time_pass
from tests.waiting import snapshot_of

SEATS_MAX = 300


async def shown(pool: Pool, event: str = BUILT_IN_EVENT, seats_max: int = SEATS_MAX) -> dict[str, Any]:
    snapshot = await snapshot_of(states_cache(pool, seats_max=seats_max), event)
    states: dict[str, Any] = json.loads(snapshot.body)
    return states


async def in_database(conn: AsyncConnection, event: str = BUILT_IN_EVENT) -> dict[int, str]:
    """Return the letters of all seats by ticket id."""
    cursor = await conn.execute(
        """
        select tickets.id, left(status, 1) from tickets join events on events.id = event_id
        where slug = %s and row_label is not null
        """,
        [event],
    )
    return dict(await cursor.fetchall())


def seats_of(states: dict[str, Any]) -> dict[int, str]:
    return {seat: letter for row in states["rows"] for seat, letter in zip(row["ids"], row["states"], strict=True)}


async def test_seats_are_in_ordered_rows_and_standing_tiers_have_none(pool: Pool) -> None:
    states = await shown(pool)
    assert list(states["tiers"]) == ["VIP", "Front Row", "GA"]
    assert set(map(str, states["tiers"].values())) == {"{'held': 0, 'heldUntil': None}"}
    assert [(row["tier"], row["row"]) for row in states["rows"]] == [
        *(("VIP", label) for label in "ABCDE"),
        *(("Front Row", label) for label in "FGHIJKLMNO"),
    ]
    assert [seat for row in states["rows"] for seat in row["ids"]] == list(range(1, 301))
    for row in states["rows"]:
        assert (row["numbers"], row["states"]) == (list(range(1, 21)), "a" * 20)


async def test_rows_after_z_and_an_incomplete_last_row_are_in_order(pool: Pool, database_url: str) -> None:
    seed(database_url, event="long", inventory=parse_inventory(f"VIP={20 * 27 + 3}"))
    rows = (await shown(pool, "long", 10_000))["rows"]
    assert [row["row"] for row in rows][24:] == ["Y", "Z", "AA", "AB"]
    assert (rows[-1]["numbers"], rows[-1]["states"]) == ([1, 2, 3], "aaa")


async def test_each_change_of_an_order_changes_its_seats(pool: Pool, conn: AsyncConnection) -> None:
    async def letters() -> Counter[str]:
        states = await shown(pool)
        seats = seats_of(states)
        assert seats == await in_database(conn)
        counts = Counter(seats.values())
        assert states["tiers"]["VIP"]["held"] == counts["h"]
        return counts

    assert await letters() == {"a": 300}
    paid = await hold(pool, "VIP", 3, user_id="u")
    await hold(pool, "VIP", 2)
    assert await letters() == {"a": 295, "h": 5}
    await apply_updates(pool, {paid.reference: "captured"})
    assert await letters() == {"a": 295, "h": 2, "s": 3}
    await cancel_order(pool, paid.reference, "u", OPEN)
    assert await letters() == {"a": 298, "h": 2}
    await let_time_pass(conn, ASYNC.hold_seconds)
    assert await letters() == {"a": 298, "h": 2}  # until the worker releases them
    await expire_holds(pool, ASYNC)
    assert await letters() == {"a": 300}


async def test_a_tier_has_its_held_tickets_and_the_end_of_the_first_hold(pool: Pool, conn: AsyncConnection) -> None:
    first = await hold(pool, "GA", 2)
    await let_time_pass(conn, 100)
    await hold(pool, "GA", 3)
    assert first.expires_at
    first_ends_at = first.expires_at - timedelta(seconds=100)
    tiers = (await shown(pool))["tiers"]
    assert tiers["GA"]["held"] == 5
    assert tiers["GA"]["heldUntil"].endswith("Z")
    assert datetime.fromisoformat(tiers["GA"]["heldUntil"]) == first_ends_at
    assert tiers["VIP"] == {"held": 0, "heldUntil": None}


async def test_an_event_with_too_many_seats_has_no_rows(pool: Pool, database_url: str) -> None:
    seed(database_url, event="hall", inventory=parse_inventory("VIP=200,Front Row=101,GA=5"))
    assert [len((await shown(pool, "hall", seats_max))["rows"]) for seats_max in (301, 300, 0)] == [16, 0, 0]
    await hold(pool, "VIP", 2, event="hall")
    states = await shown(pool, "hall", 300)
    assert (states["rows"], states["tiers"]["VIP"]["held"]) == ([], 2)


async def test_standing_tickets_do_not_appear_as_seats(pool: Pool, database_url: str) -> None:
    seed(database_url, event="field", inventory=parse_inventory("VIP=20,Field=1000"))
    assert len((await shown(pool, "field", 20))["rows"]) == 1


async def test_seats_of_other_events_do_not_appear(pool: Pool, database_url: str) -> None:
    seed(database_url, event="other", inventory=parse_inventory("VIP=40"))
    await hold(pool, "VIP", 2)
    assert seats_of(await shown(pool, "other")) == dict.fromkeys(range(1301, 1341), "a")


async def test_a_missing_event_has_no_states(pool: Pool) -> None:
    with pytest.raises(UnknownEvent):
        await shown(pool, "no-such-evening")
