"""Statements that violate one invariant of cancelled events each, for the tests of the audit."""

CANCELLATION_CORRUPTIONS = [
    (
        "find_kept_orders find_wrong_withdrawals",
        """
        insert into cancellations (event_id, reason, last_refund_id, finished_at)
        select event_id, 'ill', 0, now() from orders where id = {confirmed}
        """,
    ),
    (
        "find_kept_orders",
        """
        insert into cancellations (event_id, reason, last_refund_id)
        select event_id, 'ill', 0 from orders where id = {pending};
        insert into cancelled_orders (order_id, event_id, amount_minor, ended_at)
        select id, event_id, 0, now() from orders where id = {pending}
        """,
    ),
    (
        "find_missing_refunds",
        """
        insert into cancellations (event_id, reason, last_refund_id)
        select event_id, 'ill', (select max(id) from refunds) from orders where id = {refunding};
        insert into cancelled_orders (order_id, event_id, amount_minor, ended_at)
        select id, event_id, total_minor, now() from orders where id = {refunding}
        """,
    ),
    (
        "find_missing_refunds",
        """
        insert into cancellations (event_id, reason, last_refund_id)
        select event_id, 'ill', 0 from orders where id = {refunding};
        insert into cancelled_orders (order_id, event_id, amount_minor, ended_at)
        select id, event_id, total_minor + 1, now() from orders where id = {refunding}
        """,
    ),
    ("find_wrong_withdrawals", "update tickets set status = 'withdrawn' where id = {free_ga}"),
]
"""The invariants that a corruption violates, and its statements."""
