-- name: insert_payments
-- Insert the payments of new orders. A pending payment is due for a check after an interval.
-- Fails: payments_order_key, if an order already has a payment.
insert into payments (order_id, status, amount_minor, currency, next_check_at)
select
    new.order_id,
    new.status,
    new.amount_minor,
    new.currency,
    case
        when new.status = 'pending' then now() + make_interval(secs => %(check_after_ms)s::double precision / 1000)
    end
from
    unnest(
        %(order_ids)s::bigint[],
        %(statuses)s::text[],
        %(amounts_minor)s::bigint[],
        %(currencies)s::text[]
    ) as new (order_id, status, amount_minor, currency);

-- name: change_payments
-- Change the statuses of locked payments, which are then decided. Refunds have checks of their own.
-- Fails: order_events_transition_check, if the transition is not allowed.
update payments
set
    status = change.status,
    next_check_at = null
from unnest(%(order_ids)s::bigint[], %(statuses)s::text[]) as change (order_id, status)
where payments.order_id = change.order_id;

-- name: finish_refunds
-- Change locked payments of orders without tickets to refunded, if all of their refunds have succeeded.
update payments
set status = 'refunded'
where
    order_id = any(%(order_ids)s::bigint[])
    and status = 'refunding'
    and not exists (
        select 1
        from refunds
        where refunds.payment_id = payments.id and refunds.status <> 'succeeded'
    );

-- name: find_wanted
-- Return true for an order that holds tickets of an event that takes place. No charge may start for another order. The
-- worker may treat the charge of an order as abandoned after its hold.
select orders.status = 'pending' and orders.expires_at > now() and rules.takes_place as wanted
from orders
inner join events on orders.event_id = events.id
cross join
    lateral event_rules(
        events.sales_start_at, events.sales_end_at, events.starts_at, events.ends_at, events.cancelled_at, now()
    ) as rules
where orders.reference = %(reference)s;

-- name: hasten_payments
-- Have the worker check pending payments of locked orders at once.
-- Locks: the payments; the caller has locked their orders.
update payments
set next_check_at = now()
from orders
where payments.order_id = orders.id and orders.reference = any(%(references)s::text[]) and payments.status = 'pending';

-- name: claim_open
-- Claim pending payments that are due for a check, the most overdue first, and set their next check. next_check_at acts as
-- a lease: no other worker claims the payment before that time. A payment is wanted while its order holds tickets of an
-- event that takes place. It is abandoned if the hold ended longer ago than a request can last, so that no request for
-- its charge is in flight. After the hold the time between two checks is at least a twentieth of the time since then, up to
-- an hour, because a bank may take weeks to decide a debit.
-- Locks: the returned payments, FOR UPDATE SKIP LOCKED, so that several workers share the work.
with locked_payments as materialized (
    select id
    from payments
    where next_check_at <= now()
    order by next_check_at
    limit %(limit)s
    for update skip locked
)

update payments
set
    next_check_at = now() + greatest(
        make_interval(secs => %(check_after_ms)s::double precision / 1000),
        least((now() - orders.expires_at) / 20, interval '1 hour')
    )
from
    locked_payments,
    orders
inner join events on orders.event_id = events.id
cross join
    lateral event_rules(
        events.sales_start_at, events.sales_end_at, events.starts_at, events.ends_at, events.cancelled_at, now()
    ) as rules
where payments.id = locked_payments.id and payments.order_id = orders.id
returning
    orders.reference,
    payments.amount_minor,
    payments.currency,
    orders.status = 'pending' and orders.expires_at > now() and rules.takes_place as wanted,
    orders.expires_at < now() - make_interval(secs => %(request_max_s)s::double precision) as abandoned;
