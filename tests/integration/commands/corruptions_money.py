"""Statements that violate one invariant of refunds and returned tickets each, for the tests of the audit."""

MONEY_ROWS = {
    "returned": "(select order_id from bookings where released_reason = 'returned')",
    "refund": "(select refund_id from bookings where released_reason = 'returned')",
    "refunding_payment": "(select id from payments where status = 'refunding')",
    "pending_payment": "(select min(payments.id) from payments join orders on orders.id = order_id"
    " where orders.status = 'pending')",
}
"""Subqueries for the ids in corruptions."""

MONEY_CORRUPTIONS = [
    (
        "find_checkouts_without_payment",
        "insert into checkouts (payment_id, provider_id, url) values (999999, 'cs_1', 'u')",
    ),
    ("find_checkouts_without_payment", "insert into disputes (id, payment_id) values ('du_1', 999999)"),
    (
        "find_refunds_without_payment find_broken_refund_histories",
        """
        insert into refunds (key, payment_id, amount_minor, status, reason, requested_by, settled_at)
        values (gen_random_uuid(), 999999, 1, 'succeeded', 'lost', 'buyer', now())
        """,
    ),
    (
        "find_refunds_without_payment find_excess_refunds",
        """
        insert into refunds (key, payment_id, amount_minor, status, reason, requested_by, settled_at)
        values (gen_random_uuid(), {pending_payment}, 1, 'succeeded', 'early', 'buyer', now());
        update payments set refunded_minor = 1 where id = {pending_payment}
        """,
    ),
    ("find_wrong_refund_sums", "update payments set refunded_minor = 0 where order_id = {returned}"),
    (
        "find_wrong_refund_sums",
        """
        alter table payments drop constraint payments_refunded_check;
        update payments set refunded_minor = amount_minor + 1 where order_id = {returned}
        """,
    ),
    (
        "find_excess_refunds find_wrong_returns",
        """
        update refunds set amount_minor = amount_minor + 1 where id = {refund};
        update payments set refunded_minor = refunded_minor + 1 where order_id = {returned}
        """,
    ),
    ("find_unpaid_returns", "update bookings set refund_id = null where released_reason = 'returned'"),
    (
        "find_unpaid_returns find_wrong_returns",
        """
        update bookings set refund_id = (select id from refunds where payment_id = {refunding_payment})
        where released_reason = 'returned'
        """,
    ),
    (
        "find_wrong_returns",
        """
        update refunds set amount_minor = amount_minor - 1 where id = {refund};
        update payments set refunded_minor = refunded_minor - 1 where order_id = {returned}
        """,
    ),
    (
        "find_unrefunded_ends",
        """
        update refunds set amount_minor = amount_minor - 1 where payment_id = {refunding_payment};
        update payments set refunded_minor = refunded_minor - 1 where id = {refunding_payment}
        """,
    ),
    ("find_unfinished_refunds", "update payments set status = 'refunded' where id = {refunding_payment}"),
    (
        "find_unfinished_refunds",
        """
        update refunds set status = 'succeeded', next_check_at = null, settled_at = now()
        where payment_id = {refunding_payment}
        """,
    ),
    (
        "find_shared_refunds find_missing_keys",
        """
        alter table refunds drop constraint refunds_key_key;
        update refunds set key = (select key from refunds where id = {refund})
        """,
    ),
    (
        "find_shared_refunds find_missing_keys",
        """
        alter table refunds drop constraint refunds_provider_id_key;
        update refunds set provider_id = 're_1'
        """,
    ),
    (
        "find_broken_refund_histories",
        """
        drop trigger refunds_note_changes on refunds;
        update refunds set status = 'failed', next_check_at = null, settled_at = now() where id = {refund}
        """,
    ),
    (
        "find_broken_refund_histories",
        """
        insert into order_events (order_id, subject, previous, status, detail)
        values ({returned}, 'refund', 'requested', 'pending', {refund})
        """,
    ),
    (
        "find_broken_refund_histories",
        """
        insert into order_events (order_id, subject, status, detail)
        values ({returned}, 'refund', 'requested', 999999)
        """,
    ),
    (
        "find_broken_line_histories",
        """
        drop trigger order_events_append_only on order_events;
        delete from order_events where subject = 'line'
        """,
    ),
    (
        "find_broken_line_histories",
        """
        insert into order_events (order_id, subject, previous, status, detail)
        select order_id, 'line', 'live', 'released', id from bookings where order_id = {confirmed}
        """,
    ),
    (
        "find_broken_line_histories find_incomplete_orders",
        """
        update bookings set released_reason = 'cancelled', refund_id = null where released_reason = 'returned'
        """,
    ),
]
"""The invariants that a corruption violates, and its statements. The first ones drop constraints where necessary."""
