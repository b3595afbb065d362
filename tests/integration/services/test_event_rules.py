"""The rules of events: the module and the function in the database decide alike."""

from datetime import timedelta

import msgspec
from psycopg import AsyncConnection

from api.services import event_rules
from tests.event_cases import ADMISSION_HOURS, cases


async def test_the_module_and_the_database_decide_alike(conn: AsyncConnection) -> None:
    outcomes = set()
    for event in cases(timedelta(microseconds=1)):
        cursor = await conn.execute(
            """
            select
                sale, begun, takes_place, refundable,
                event_admits(%(starts_at)s, %(ends_at)s, %(cancelled_at)s, %(read_at)s, %(admission_hours)s)
            from event_rules(
                %(sales_start_at)s, %(sales_end_at)s, %(starts_at)s, %(ends_at)s, %(cancelled_at)s, %(read_at)s
            )
            """,
            msgspec.structs.asdict(event) | {"admission_hours": ADMISSION_HOURS},
        )
        decided = (
            event_rules.sale_state(event),
            event_rules.has_begun(event),
            event_rules.takes_place(event),
            event_rules.is_refundable(event),
            event_rules.admits(event, ADMISSION_HOURS),
        )
        assert await cursor.fetchone() == decided, event
        outcomes.add(decided)
    assert {sale for sale, *_ in outcomes} == {"on_sale", "upcoming", "ended", "cancelled"}
    for position in range(1, 5):
        assert {outcome[position] for outcome in outcomes} == {False, True}


async def test_each_change_of_an_event_is_counted_with_its_time(conn: AsyncConnection) -> None:
    before = await (
        await conn.execute("select revision, updated_at from events where slug = 'aurora-sessions'")
    ).fetchone()
    assert before is not None
    await conn.execute("update events set venue = venue where slug = 'aurora-sessions'")
    unchanged = await conn.execute("select revision, updated_at from events where slug = 'aurora-sessions'")
    assert await unchanged.fetchone() == before
    changed = await conn.execute(
        "update events set venue = 'Elsewhere' where slug = 'aurora-sessions' returning revision, updated_at"
    )
    after = await changed.fetchone()
    assert after is not None
    assert after[0] == before[0] + 1
    assert after[1] > before[1]
