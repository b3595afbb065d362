-- Shorter check constraints with the same rules. A statement that changes a table parses the stored trees of its checks
-- again, so that a booking pays for each node of a tree. `in` stores a node for each value, and a literal array is one
-- node. `least` and `greatest` skip nulls and compare several times with each bound at once.

alter table orders
drop constraint orders_status_check,
drop constraint orders_expires_at_check,
drop constraint orders_locale_check,
drop constraint orders_times_check,
add constraint orders_status_check check (status = any('{pending,confirmed,declined,expired,cancelled}')),
add constraint orders_expires_at_check check (expires_at is not null or status <> all('{pending,expired}')),
add constraint orders_locale_check check (locale = any('{en,de,ar}')),
add constraint orders_times_check check (
    least(created_at, expires_at, cancelled_at) >= '0001-01-02 00:00:00+00'
    and greatest(created_at, expires_at, cancelled_at) <= '9999-12-30 23:59:59.999999+00'
);
comment on constraint orders_status_check on orders is 'An order is pending, confirmed, declined, expired or cancelled';
comment on constraint orders_expires_at_check on orders is 'A pending or expired order has an end of its hold';
comment on constraint orders_locale_check on orders is 'Messages have one of the languages of the web app';
comment on constraint orders_times_check on orders is 'Times lie between the years 1 and 9999';

alter table payments
drop constraint payments_status_check,
drop constraint payments_times_check,
add constraint payments_status_check check (status = any('{pending,captured,declined,void,refunding,refunded}')),
add constraint payments_times_check check (
    least(created_at, next_check_at) >= '0001-01-02 00:00:00+00'
    and greatest(created_at, next_check_at) <= '9999-12-30 23:59:59.999999+00'
);
comment on constraint payments_status_check on payments
is 'A payment is pending, captured, declined, void, refunding or refunded';
comment on constraint payments_times_check on payments is 'Times lie between the years 1 and 9999';

alter table bookings
drop constraint bookings_released_reason_check,
drop constraint bookings_times_check,
add constraint bookings_released_reason_check check (
    (released_at is null) = (released_reason is null)
    and released_reason = any('{expired,declined,cancelled,returned}')
    and (refund_id is null or released_reason is not distinct from 'returned')
),
add constraint bookings_times_check check (
    least(created_at, released_at) >= '0001-01-02 00:00:00+00'
    and greatest(created_at, released_at) <= '9999-12-30 23:59:59.999999+00'
);
comment on constraint bookings_released_reason_check on bookings
is 'A released booking has a reason, and only a returned one has a refund';
comment on constraint bookings_times_check on bookings is 'Times lie between the years 1 and 9999';

alter table tickets
drop constraint tickets_status_check,
add constraint tickets_status_check check (status = any('{available,held,sold}'));
comment on constraint tickets_status_check on tickets is 'A ticket is available, held or sold';

-- The transition contains the subject, so that the other constraint need not list the subjects.
alter table order_events
drop constraint order_events_subject_check,
drop constraint order_events_transition_check,
add constraint order_events_subject_check check ((subject = any('{line,refund}')) = (detail is not null)),
add constraint order_events_transition_check check (
    subject || ':' || coalesce(previous, 'new') || '>' || status = any('{
        order:new>pending,
        order:new>confirmed,
        order:new>declined,
        order:pending>confirmed,
        order:pending>declined,
        order:pending>expired,
        order:pending>cancelled,
        order:expired>confirmed,
        order:confirmed>cancelled,
        payment:pending>captured,
        payment:pending>declined,
        payment:pending>void,
        payment:pending>refunding,
        payment:void>captured,
        payment:void>refunding,
        payment:captured>refunding,
        payment:captured>refunded,
        payment:refunding>refunded,
        line:live>released,
        refund:new>requested,
        refund:new>succeeded,
        refund:requested>pending,
        refund:requested>succeeded,
        refund:requested>failed,
        refund:pending>succeeded,
        refund:pending>failed,
        refund:failed>requested
    }')
);
comment on constraint order_events_subject_check on order_events is 'Exactly an entry about a line or a refund has its id';
comment on constraint order_events_transition_check on order_events
is 'An order, its payment, its lines, which are bookings, and its refunds make only the transitions that the README draws';
