"""The migration gives the refunds of earlier versions rows, and their released bookings reasons."""

import psycopg

from api.commands.audit import audit
from api.commands.seed import parse_inventory, seed
from api.database import migrations
from api.database.embedded import EmbeddedServer
from tests.stack import empty_database

MIGRATION = "0036_refunds"
PRICE_MINOR = 1000

ORDERS = {
    "kept": (PRICE_MINOR, ["confirmed"], ["captured"]),
    "refunding": (PRICE_MINOR, ["confirmed", "cancelled"], ["captured", "refunding"]),
    "refunded": (PRICE_MINOR, ["confirmed", "cancelled"], ["captured", "refunding", "refunded"]),
    "late": (PRICE_MINOR, ["expired"], ["refunding"]),
    "declined": (PRICE_MINOR, ["declined"], ["declined"]),
    "free": (0, ["confirmed", "cancelled"], ["captured", "refunding"]),
}
"""The total of each order of an earlier version, and the states of the order and of its payment after `pending`."""


def insert(conn: psycopg.Connection, reference: str, total: int, statuses: list[str], payments: list[str]) -> None:
    """Insert an order with one ticket as an earlier version did, and take it through its states."""
    parameters = {"reference": reference, "total": total}
    conn.execute(
        """
        with new_order as (
            insert into orders (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency,
                expires_at)
            select id, %(reference)s, 'u', sha256('x'), 'pending', 1, %(total)s, currency, now() + interval '1 h'
            from events returning id, currency
        ), new_payment as (
            insert into payments (order_id, status, amount_minor, currency, next_check_at)
            select id, 'pending', %(total)s, currency, now() from new_order
        )
        insert into bookings (order_id, line, ticket_id, tier_id, price_minor)
        select new_order.id, 1, tickets.id, tickets.tier_id, %(total)s from new_order, tickets
        where tickets.id not in (select ticket_id from bookings) order by tickets.id limit 1
        """,
        parameters,
    )
    for status in statuses:
        conn.execute(
            "update orders set status = %s, cancelled_at = case when %s = 'cancelled' then now() end"
            " where reference = %s",
            [status, status, reference],
        )
    for payment in payments:
        conn.execute(
            "update payments set status = %s, next_check_at = case when %s = 'refunding' then now() end"
            " where order_id = (select id from orders where reference = %s)",
            [payment, payment, reference],
        )
    released = statuses[-1] != "confirmed"
    conn.execute(
        "update bookings set released_at = case when %s then now() end"
        " where order_id = (select id from orders where reference = %s)",
        [released, reference],
    )


def test_the_migration_records_earlier_refunds(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrations.migrate(url, [each for each in migrations.load() if each.name < MIGRATION])
        seed(url, inventory=parse_inventory("GA=10"))
        with psycopg.connect(url) as conn:
            for reference, (total, statuses, payments) in ORDERS.items():
                insert(conn, reference, total, statuses, payments)
            conn.execute(
                "update tickets set status = 'sold'"
                " where id in (select ticket_id from bookings where released_at is null)"
            )
        migrations.migrate(url)
        with psycopg.connect(url) as conn:
            refunds = conn.execute(
                """
                select reference, refunds.amount_minor, refunds.status, requested_by, refunds.next_check_at is not null
                from refunds join payments on payments.id = payment_id join orders on orders.id = order_id order by 1
                """
            ).fetchall()
            payments_after = conn.execute(
                "select reference, payments.status, refunded_minor, next_check_at is not null"
                " from payments join orders on orders.id = order_id order by 1"
            ).fetchall()
            reasons = conn.execute(
                "select reference, released_reason from bookings join orders on orders.id = order_id order by 1"
            ).fetchall()
        assert refunds == [
            ("late", PRICE_MINOR, "requested", "late", True),
            ("refunded", PRICE_MINOR, "succeeded", "buyer", False),
            ("refunding", PRICE_MINOR, "requested", "buyer", True),
        ]
        assert payments_after == [
            ("declined", "declined", 0, False),
            ("free", "refunded", 0, False),
            ("kept", "captured", 0, False),
            ("late", "refunding", PRICE_MINOR, False),
            ("refunded", "refunded", PRICE_MINOR, False),
            ("refunding", "refunding", PRICE_MINOR, False),
        ]
        assert dict(reasons) == {
            "declined": "declined",
            "free": "cancelled",
            "kept": None,
            "late": "expired",
            "refunded": "cancelled",
            "refunding": "cancelled",
        }
        assert audit(url) == []
