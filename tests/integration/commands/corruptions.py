"""Statements that violate one invariant each, for the tests of the audit."""

SOLD_GA = "(select min(tickets.id) from tickets join tiers on tier_id = tiers.id where name = 'GA' and status = 'sold')"

ROWS = {
    "confirmed": "(select min(id) from orders where status = 'confirmed' and expires_at is null)",
    "single": "(select min(id) from orders where status = 'confirmed' and quantity = 1)",
    "triple": "(select min(id) from orders where status = 'confirmed' and quantity = 3)",
    "declined": "(select min(id) from orders where status = 'declined' and expires_at is null)",
    "declined_later": "(select min(id) from orders where status = 'declined' and expires_at is not null)",
    "paid_late": "(select order_id from order_events where previous = 'expired')",
    "pending": "(select min(id) from orders where status = 'pending')",
    "expired": "(select order_id from payments join orders on orders.id = order_id"
    " where orders.status = 'expired' and payments.status = 'pending')",
    "refunding": "(select order_id from payments where status = 'refunding')",
    "sold_ga": SOLD_GA,
    "other_sold_ga": SOLD_GA.replace("min(", "max("),
    "free_ga": SOLD_GA.replace("'sold'", "'available' and tickets.id not in (select ticket_id from bookings)"),
    "held": "(select min(id) from tickets where status = 'held')",
    "last_vip": "(select max(tickets.id) from tickets join tiers on tier_id = tiers.id where name = 'VIP')",
}
"""Subqueries for the ids in corruptions."""

# The invariants that a corruption violates, and its statements. The first ones drop constraints where necessary.
CORRUPTIONS = [
    (
        "find_double_bookings find_missing_keys",
        """
        drop index bookings_live_ticket_key;
        with freed as (update tickets set status = 'available' where id = {other_sold_ga} returning id)
        update bookings set ticket_id = {sold_ga} where ticket_id = (select id from freed)
        """,
    ),
    ("find_wrong_statuses", "update tickets set status = 'available' where id = {sold_ga}"),
    ("find_wrong_statuses", "update tickets set status = 'sold' where id = {free_ga}"),
    (
        "find_wrong_statuses",
        "update tickets set status = 'held', held_until = now() + interval '1 h' where id = {free_ga}",
    ),
    ("find_wrong_statuses", "update tickets set status = 'sold', held_until = null where id = {held}"),
    ("find_wrong_statuses", "update tickets set status = 'available', held_until = null where id = {held}"),
    ("find_wrong_hold_ends", "update tickets set held_until = held_until + interval '1 s' where id = {held}"),
    (
        "find_overdue_holds",
        """
        update tickets set held_until = held_until - interval '1 h' where status = 'held';
        update orders set created_at = created_at - interval '1 h', expires_at = expires_at - interval '1 h'
        where status = 'pending'
        """,
    ),
    ("find_unbalanced_tiers", "update tiers set capacity = capacity - 1 where name = 'VIP'"),
    ("find_unbalanced_tiers", "delete from tickets where id = {free_ga}"),
    (
        "find_unbalanced_tiers",
        """
        alter table tickets drop constraint tickets_status_check;
        update tickets set status = 'lost' where id = {free_ga}
        """,
    ),
    (
        "find_unbalanced_tiers",
        """
        insert into tiers (event_id, name, display_order, price_minor, seated, capacity, last_position)
        values (1, 'Empty', 9, 100, false, 5, 5)
        """,
    ),
    ("find_stray_tickets", "update tickets set event_id = 99 where id = {free_ga}"),
    (
        "find_stray_tickets",
        """
        alter table tickets drop constraint tickets_tier_id_fkey;
        insert into tickets (event_id, tier_id, position) values (1, 99, 1)
        """,
    ),
    ("find_misplaced_tickets", "update tickets set position = 1001 where id = {free_ga}"),
    ("find_misplaced_tickets", "update tickets set row_label = 'Z', seat_number = 1 where id = {free_ga}"),
    ("find_misplaced_tickets", "update tickets set row_label = null, seat_number = null where id = {last_vip}"),
    (
        "find_shared_positions find_missing_keys",
        """
        alter table tickets drop constraint tickets_tier_position_key;
        update tickets set position = (select position from tickets where id = {sold_ga}) where id = {free_ga}
        """,
    ),
    (
        "find_shared_seats",
        """
        update tiers set last_position = 106 where name = 'VIP';
        update tickets set position = 106, row_label = 'A', seat_number = 1 where id = {last_vip}
        """,
    ),
    (
        "find_broken_rows",
        """
        update tiers set last_position = 106 where name = 'VIP';
        update tickets set position = 106 where id = {last_vip}
        """,
    ),
    ("find_broken_rows", "update tickets set row_label = 'X' where id = {last_vip}"),
    (
        "find_bookings_without_order",
        """
        insert into bookings (order_id, line, ticket_id, tier_id, price_minor, released_at, released_reason)
        select 999999, 1, id, tier_id, 1000, now(), 'cancelled' from tickets where id = {free_ga}
        """,
    ),
    (
        "find_bookings_without_ticket",
        """
        update tiers set capacity = capacity - 1 where name = 'GA';
        delete from tickets where id = {sold_ga}
        """,
    ),
    ("find_misplaced_bookings", "update bookings set tier_id = tier_id % 3 + 1 where order_id = {single}"),
    (
        "find_misplaced_bookings",
        """
        insert into events (slug, name, venue, starts_at, sales_start_at, currency)
        values ('other', 'Other', 'Hall', now(), now(), 'USD');
        update orders set event_id = (select id from events where slug = 'other') where id = {single}
        """,
    ),
    ("find_broken_lines", "update bookings set line = 2 where order_id = {single}"),
    ("find_broken_lines", "update bookings set line = 7 where order_id = {triple} and line = 2"),
    (
        "find_broken_lines find_missing_keys",
        """
        alter table bookings drop constraint bookings_order_line_key;
        update bookings set line = 3 where order_id = {triple} and line = 2
        """,
    ),
    (
        "find_incomplete_orders find_lost_bookings",
        "update orders set quantity = quantity + 1 where id in ({confirmed}, {pending})",
    ),
    (
        "find_incomplete_orders",
        "update bookings set released_at = null, released_reason = null where order_id = {declined_later}",
    ),
    (
        "find_incomplete_orders",
        """
        update bookings set released_at = now(), released_reason = 'cancelled' where ticket_id = {sold_ga};
        update tickets set status = 'available' where id = {sold_ga}
        """,
    ),
    ("find_wrong_totals", "update bookings set price_minor = price_minor + 1 where order_id = {confirmed}"),
    (
        "find_wrong_totals",
        """
        update orders set total_minor = 1 where id = {expired};
        update payments set amount_minor = 1 where order_id = {expired}
        """,
    ),
    ("find_lost_bookings", "delete from bookings where order_id = {declined_later}"),
    (
        "find_lost_bookings",
        """
        insert into bookings (order_id, line, ticket_id, tier_id, price_minor, released_at, released_reason)
        select orders.id, 1, tickets.id, tickets.tier_id, orders.total_minor, now(), 'declined' from orders, tickets
        where orders.id = {declined} and tickets.id = {free_ga}
        """,
    ),
    ("find_orders_without_event", "update orders set event_id = 99 where id = {declined}"),
    (
        "find_double_references find_missing_keys",
        """
        alter table orders drop constraint orders_reference_key;
        update orders set reference = (select reference from orders where id = {confirmed}) where id = {declined}
        """,
    ),
    ("find_unpaid_orders", "delete from payments where order_id = {confirmed}"),
    ("find_unpaid_orders", "delete from payments where order_id = {declined}"),
    ("find_unpaid_orders", "update payments set amount_minor = amount_minor - 1 where order_id = {confirmed}"),
    ("find_unpaid_orders", "update payments set currency = 'EUR' where order_id = {confirmed}"),
    (
        "find_unpaid_orders find_missing_keys",
        """
        drop index payments_order_key;
        insert into payments (order_id, status, amount_minor, currency)
        select order_id, status, amount_minor, currency from payments where order_id = {confirmed}
        """,
    ),
    (
        "find_wrong_payments",
        """
        alter table order_events drop constraint order_events_transition_check;
        update payments set status = 'declined' where order_id = {confirmed}
        """,
    ),
    (
        "find_wrong_payments",
        """
        alter table order_events drop constraint order_events_transition_check;
        update payments set status = 'captured' where order_id in ({declined}, {declined_later})
        """,
    ),
    (
        "find_wrong_payments",
        """
        alter table order_events drop constraint order_events_transition_check;
        update payments set status = 'void' where order_id = {declined_later}
        """,
    ),
    (
        "find_wrong_payments",
        "update payments set status = 'captured', next_check_at = null where order_id = {pending}",
    ),
    (
        "find_wrong_payments",
        "update payments set status = 'captured', next_check_at = null where order_id = {expired}",
    ),
    (
        "find_wrong_payments",
        """
        alter table order_events drop constraint order_events_transition_check;
        update payments set status = 'captured', next_check_at = null where order_id = {refunding}
        """,
    ),
    (
        "find_payments_without_order",
        "insert into payments (order_id, status, amount_minor, currency) values (999999, 'captured', 100, 'USD')",
    ),
    (
        "find_broken_histories",
        """
        drop trigger order_events_append_only on order_events;
        delete from order_events where order_id = {confirmed}
        """,
    ),
    (
        "find_broken_histories",
        """
        drop trigger order_events_append_only on order_events;
        delete from order_events where order_id = {paid_late} and status = 'expired'
        """,
    ),
    (
        "find_broken_histories",
        """
        drop trigger order_events_append_only on order_events;
        update order_events set status = 'pending' where order_id = {confirmed};
        insert into order_events (order_id, subject, previous, status)
        values ({confirmed}, 'order', 'pending', 'confirmed')
        """,
    ),
    (
        "find_broken_histories",
        "insert into order_events (order_id, subject, status) values ({confirmed}, 'order', 'confirmed')",
    ),
    (
        "find_broken_histories",
        """
        drop trigger orders_note_changes on orders;
        update orders set status = 'cancelled', cancelled_at = now() where id = {expired}
        """,
    ),
    (
        "find_broken_payment_histories",
        """
        drop trigger payments_note_changes on payments;
        update payments set status = 'void', next_check_at = null where order_id = {expired}
        """,
    ),
    (
        "find_broken_payment_histories",
        """
        drop trigger order_events_append_only on order_events;
        delete from order_events where order_id = {refunding} and subject = 'payment' and status = 'captured'
        """,
    ),
    (
        "find_broken_payment_histories",
        """
        insert into order_events (order_id, subject, previous, status)
        values ({confirmed}, 'payment', 'captured', 'refunded')
        """,
    ),
    (
        "find_events_without_order",
        "insert into order_events (order_id, subject, status) values (999999, 'order', 'confirmed')",
    ),
    (
        "find_unannounced_orders",
        """
        update orders set email = 'ann@example.org' where id = {confirmed};
        drop trigger order_events_append_only on order_events;
        update order_events set created_at = created_at - interval '2 min' where order_id = {confirmed}
        """,
    ),
    (
        "find_unannounced_cancellations",
        """
        update orders set email = 'ann@example.org' where id = {refunding};
        insert into messages (kind, order_id, locale, message_id, status)
        values ('confirmed', {refunding}, 'en', '<a@b>', 'skipped');
        drop trigger order_events_append_only on order_events;
        update order_events set created_at = created_at - interval '2 min', reason = 'the event was cancelled'
        where order_id = {refunding}
        """,
    ),
    (
        "find_unannounced_changes",
        """
        update orders set email = 'ann@example.org' where id = {confirmed};
        insert into messages (kind, order_id, source_id, locale, message_id, status)
        select 'confirmed', order_id, id, 'en', '<a@b>', 'skipped' from order_events where order_id = {confirmed};
        insert into order_events (order_id, subject, status, detail, created_at)
        values ({confirmed}, 'event', 'changed', 1, now() - interval '2 min')
        """,
    ),
    (
        "find_repeated_changes",
        """
        insert into order_events (order_id, subject, status, detail)
        select {confirmed}, 'event', 'changed', 1 from generate_series(1, 2)
        """,
    ),
    (
        "find_misdirected_messages",
        """
        insert into messages (kind, order_id, source_id, locale, message_id, status)
        select 'confirmed', {declined}, id, 'en', '<a@b>', 'skipped' from order_events where order_id = {confirmed}
        """,
    ),
    (
        "find_exceeded_limits",
        """
        update events set tickets_per_buyer = 2;
        update orders set limit_key = 'u' where id = {triple};
        insert into buyer_guards
        select events.id, 'u', '1', revision from events join orders on event_id = events.id where orders.id = {triple}
        """,
    ),
    (
        "find_exceeded_limits",
        """
        update tiers set tickets_per_buyer = 2;
        update orders set limit_key = 'u' where id = {triple};
        insert into buyer_guards
        select events.id, 'u', '1', revision from events join orders on event_id = events.id where orders.id = {triple}
        """,
    ),
    ("find_missing_keys", "drop index bookings_live_ticket_key"),
    ("find_missing_keys", "alter table webhooks drop constraint webhooks_pkey"),
    (
        "find_missing_keys",
        """
        drop index payments_order_key;
        create index payments_order_key on payments (order_id)
        """,
    ),
]
