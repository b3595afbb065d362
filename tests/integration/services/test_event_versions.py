"""The revision of an event, and its presence in the responses that clients combine."""

import msgspec
import pytest
from psycopg import AsyncConnection

from api.database.pool import Pool
from api.schemas import BUILT_IN_EVENT, EventDetails
from api.services.availability import availability_cache
from api.services.events import event_cache
from api.services.states import states_cache
from tests.integration.asynchronous import RULES
from tests.waiting import snapshot_of

INSERT = """
    insert into tiers (event_id, name, display_order, price_minor, seated, capacity, last_position)
    select id, 'Balcony', 9, 100, false, 1, 1 from events where slug = 'aurora-sessions'
"""


async def revisions(conn: AsyncConnection) -> dict[str, int]:
    return dict(await (await conn.execute("select slug, revision from events")).fetchall())


async def described(pool: Pool) -> EventDetails:
    """Return the built-in event as clients get it."""
    snapshot = await snapshot_of(event_cache(pool, RULES), BUILT_IN_EVENT)
    return msgspec.json.decode(snapshot.body, type=EventDetails)


@pytest.mark.parametrize(
    "change",
    [
        "update tiers set name = 'Standing' where name = 'GA'",
        "update tiers set price_minor = 1 where name = 'GA'",
        "update tiers set display_order = 9 where name = 'GA'",
        "update tiers set capacity = capacity + 1, last_position = last_position + 1 where name = 'GA'",
        INSERT,
        "update events set venue = 'Elsewhere' where slug = 'aurora-sessions'",
    ],
)
async def test_each_change_of_an_event_or_its_tiers_raises_its_revision(conn: AsyncConnection, change: str) -> None:
    before = await revisions(conn)
    started_at = await (await conn.execute("select now()")).fetchone()
    await conn.execute(change)
    after = await revisions(conn)
    changed = {slug for slug, revision in after.items() if revision > before[slug]}
    touched = await (await conn.execute("select slug from events where updated_at > %s", started_at)).fetchall()
    assert changed == {slug for (slug,) in touched}
    assert BUILT_IN_EVENT in changed


async def test_the_removal_of_a_tier_raises_the_revision(conn: AsyncConnection) -> None:
    await conn.execute(INSERT)
    before = await revisions(conn)
    await conn.execute("delete from tiers where name = 'Balcony'")
    after = await revisions(conn)
    assert after == before | {BUILT_IN_EVENT: before[BUILT_IN_EVENT] + 1}


async def test_a_statement_without_a_change_raises_no_revision(conn: AsyncConnection) -> None:
    before = await revisions(conn)
    await conn.execute("update tiers set price_minor = price_minor")
    await conn.execute("update tickets set held_until = held_until")
    assert await revisions(conn) == before


async def test_the_responses_of_an_event_have_its_revision(pool: Pool, conn: AsyncConnection) -> None:
    seen = []
    for change in (
        "select 1",
        "update tiers set price_minor = 9900 where name = 'GA'",
        "update tiers set name = name || '!'",
    ):
        await conn.execute(change)
        counts = await snapshot_of(availability_cache(pool), BUILT_IN_EVENT)
        states = await snapshot_of(states_cache(pool, seats_max=5000), BUILT_IN_EVENT)
        event = await described(pool)
        stored = (await revisions(conn))[BUILT_IN_EVENT]
        assert (counts.revision, states.revision, event.revision) == (stored, stored, stored)
        seen.append(stored)
    assert seen == sorted(set(seen))


async def test_an_event_shows_its_end_its_address_and_the_digits_of_its_currency(
    pool: Pool, conn: AsyncConnection
) -> None:
    await conn.execute(
        "update events set ends_at = starts_at + interval '2 hours', address = '1 Quay', currency = 'KWD'"
    )
    event = await described(pool)
    assert event.ends_at is not None
    assert (event.ends_at - event.starts_at).total_seconds() == 7200
    assert (event.address, event.currency_digits) == ("1 Quay", 3)
