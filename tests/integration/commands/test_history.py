"""The history of orders: who held this seat at that time, and why was I refused."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import AsyncConnection

from api.__main__ import main
from api.commands import history
from api.database.pool import Pool, open_pool
from api.services.orders import cancel_order, expire_holds
from tests.integration.asynchronous import ASYNC, apply_updates, hold

SEAT = 17


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, ASYNC) as pool:
        yield pool


async def now(conn: AsyncConnection) -> datetime:
    """Return a time between what was done and what will be."""
    row = await (await conn.execute("select clock_timestamp()")).fetchone()
    assert row is not None
    return row[0].astimezone(UTC)  # type: ignore[no-any-return]


async def test_whose_a_seat_was_is_known_for_each_moment(pool: Pool, database_url: str, conn: AsyncConnection) -> None:
    """Ann's hold runs out, Ben holds it meanwhile and lets go, Ann pays late and gets it, then cancels."""
    times = [await now(conn)]
    ann = await hold(pool, "VIP", 1, ticket_ids=(SEAT,), user_id="ann")
    times.append(await now(conn))
    await conn.execute("update orders set created_at = created_at - interval '1 h', expires_at = now()")
    await expire_holds(pool, ASYNC)
    times.append(await now(conn))
    ben = await hold(pool, "VIP", 1, ticket_ids=(SEAT,), user_id="ben")
    times.append(await now(conn))
    await cancel_order(pool, ben.reference, "ben")
    await apply_updates(pool, {ann.reference: "captured"})
    times.append(await now(conn))
    await cancel_order(pool, ann.reference, "ann")
    times.append(await now(conn))

    holders = [history.holder(database_url, SEAT, at) for at in times]
    assert [(h.user_id, h.status) if h else None for h in holders] == [
        None,
        ("ann", "pending"),
        None,
        ("ben", "pending"),
        ("ann", "confirmed"),
        None,
    ]
    story = [(e.user_id, e.subject, e.status, e.reason) for e in history.of_ticket(database_url, SEAT)]
    assert story == [
        ("ann", "order", "pending", None),
        ("ann", "order", "expired", "not paid in time"),
        ("ben", "order", "pending", None),
        ("ben", "order", "cancelled", "cancelled by its buyer"),
        ("ann", "order", "confirmed", "paid late, and its tickets were still free"),
        ("ann", "payment", "captured", None),
        ("ann", "order", "cancelled", "cancelled by its buyer"),
        ("ann", "payment", "refunding", None),
    ]


async def test_why_an_order_is_as_it_is_is_told_by_its_history(
    pool: Pool, database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await hold(pool, user_id="ann")
    await apply_updates(pool, {held.reference: "declined"})
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert main(["history", "--reference", held.reference]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[2] for line in told] == [
        f"{held.reference}  of ann:  order new -> pending",
        f"{held.reference}  of ann:  order pending -> declined (the payment was declined)",
        f"{held.reference}  of ann:  payment pending -> declined",
    ]
    assert main(["history", "--reference", "nobody"]) == 1
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert main(["history", "--ticket", "17", "--at", later]) == 0
    assert capsys.readouterr().out.splitlines() == ["Nothing is known of it.", "Nobody's: it was free."]


@pytest.mark.parametrize(
    "statement",
    ["update order_events set reason = 'another'", "delete from order_events", "truncate order_events"],
)
async def test_what_is_written_stays_written(pool: Pool, conn: AsyncConnection, statement: str) -> None:
    await hold(pool)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
        await conn.execute(statement)


@pytest.mark.parametrize(
    ("table", "before", "after"),
    [
        ("orders", "cancelled", "confirmed"),
        ("orders", "declined", "confirmed"),
        ("orders", "confirmed", "pending"),
        ("orders", "expired", "pending"),
        ("payments", "refunded", "captured"),
        ("payments", "declined", "captured"),
    ],
)
async def test_the_database_itself_refuses_a_way_that_is_not_drawn(
    pool: Pool, conn: AsyncConnection, table: str, before: str, after: str
) -> None:
    await hold(pool)
    for trigger in ("orders", "payments"):
        await conn.execute(f"alter table {trigger} disable trigger {trigger}_note_changes")
    belongs = {
        "orders": ", cancelled_at = case when '{0}' = 'cancelled' then now() end",
        "payments": ", next_check_at = case when '{0}' in ('pending', 'refunding') then now() end",
    }
    await conn.execute(f"update {table} set status = '{before}'" + belongs[table].format(before))  # noqa: S608
    for trigger in ("orders", "payments"):
        await conn.execute(f"alter table {trigger} enable trigger {trigger}_note_changes")
    with pytest.raises(psycopg.errors.CheckViolation, match="order_events_transition_check"):
        await conn.execute(f"update {table} set status = '{after}'" + belongs[table].format(after))  # noqa: S608
