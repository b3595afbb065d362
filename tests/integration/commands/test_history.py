"""The history of orders: the holder of a seat at a given time, and the cause of an order's status."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import AsyncConnection

from api.__main__ import main
from api.commands import history
from api.database.pool import Pool
from api.services.orders import expire_holds
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, OPEN, apply_updates, hold

SEAT = 17


async def now(conn: AsyncConnection) -> datetime:
    """Return the database's current time."""
    row = await (await conn.execute("select clock_timestamp()")).fetchone()
    assert row is not None
    return row[0].astimezone(UTC)  # type: ignore[no-any-return]


async def test_the_holder_of_a_seat_at_each_moment_is_found(
    pool: Pool, database_url: str, conn: AsyncConnection
) -> None:
    """Ann's hold expires, Ben holds the seat and cancels, Ann pays late and gets the seat, then cancels."""
    times = [await now(conn)]
    ann = await hold(pool, "VIP", 1, ticket_ids=(SEAT,), user_id="ann")
    times.append(await now(conn))
    await conn.execute("update orders set created_at = created_at - interval '1 h', expires_at = now()")
    await expire_holds(pool, ASYNC)
    times.append(await now(conn))
    ben = await hold(pool, "VIP", 1, ticket_ids=(SEAT,), user_id="ben")
    times.append(await now(conn))
    await cancel_order(pool, ben.reference, "ben", OPEN)
    await apply_updates(pool, {ann.reference: "captured"})
    times.append(await now(conn))
    await cancel_order(pool, ann.reference, "ann", OPEN)
    times.append(await now(conn))

    holders = [history.holder_at(database_url, SEAT, at) for at in times]
    assert [(h.user_id, h.status) if h else None for h in holders] == [
        None,
        ("ann", "pending"),
        None,
        ("ben", "pending"),
        ("ann", "confirmed"),
        None,
    ]
    changes = [(c.user_id, c.subject, c.status, c.reason) for c in history.ticket_history(database_url, SEAT)]
    assert changes == [
        ("ann", "order", "pending", None),
        ("ann", "order", "expired", "not paid in time"),
        ("ben", "order", "pending", None),
        ("ben", "order", "cancelled", "cancelled by its buyer"),
        ("ann", "order", "confirmed", "paid late, and its tickets were still free"),
        ("ann", "payment", "captured", None),
        ("ann", "order", "cancelled", "cancelled by its buyer"),
        ("ann", "payment", "refunding", None),
        ("ann", "refund", "requested", "cancelled by its buyer"),
    ]


async def test_the_history_of_an_order_shows_each_change_with_its_reason(
    pool: Pool, database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await hold(pool, user_id="ann")
    await apply_updates(pool, {held.reference: "declined"})
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert main(["history", "--reference", held.reference]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[2] for line in lines] == [
        f"{held.reference}  of ann:  order new -> pending",
        f"{held.reference}  of ann:  order pending -> declined (the payment was declined)",
        f"{held.reference}  of ann:  payment pending -> declined",
    ]
    assert main(["history", "--reference", "nobody"]) == 1
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert main(["history", "--ticket", "17", "--at", later]) == 0
    assert capsys.readouterr().out.splitlines() == ["There is no history.", "The ticket was available."]


async def test_times_are_in_utc_whatever_the_time_zone_of_the_session(
    pool: Pool, database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await hold(pool, "VIP", 1, ticket_ids=(SEAT,), user_id="ann")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PGTZ", "America/New_York")
    (change,) = history.order_history(database_url, held.reference)
    written = f"{change.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
    assert change.at.utcoffset() == timedelta(0)
    assert main(["history", "--reference", held.reference]) == 0
    assert main(["history", "--ticket", str(SEAT), "--at", change.at.isoformat()]) == 0
    by_change, by_holder = capsys.readouterr().out.splitlines()
    assert by_change.startswith(f"{written}  ")
    assert by_holder == f"{held.reference} of ann, pending since {written}"


@pytest.mark.parametrize("at", [[], ["--at", "2026-11-24T20:00:07Z"]], ids=["changes", "holder"])
def test_an_unknown_ticket_is_refused(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, at: list[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert main(["history", "--ticket", "999999999", *at]) == 1
    assert capsys.readouterr() == ("", "There is no ticket 999999999.\n")


@pytest.mark.parametrize(
    "statement",
    ["update order_events set reason = 'another'", "delete from order_events", "truncate order_events"],
)
async def test_the_history_is_append_only(pool: Pool, conn: AsyncConnection, statement: str) -> None:
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
async def test_the_database_refuses_an_undocumented_transition(
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
