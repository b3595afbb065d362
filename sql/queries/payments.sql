-- name: insert_payments
-- The payments of new orders.
-- Fails: payments_order_key, when an order has a payment already.
insert into payments (order_id, status, amount_minor, currency, next_check_at)
select
    unnest(%(order_ids)s::bigint[]),
    unnest(%(statuses)s::text[]),
    unnest(%(amounts_minor)s::bigint[]),
    unnest(%(currencies)s::text[]),
    now() + make_interval(secs => %(check_after_ms)s::double precision / 1000);

-- name: change_payments
-- Brings payments, locked before, into other states; those that stay open are taken up with the provider at once.
-- Fails: order_events_transition_check, when a state does not lead to the other.
update payments
set
    status = change.status,
    next_check_at = case when change.status in ('pending', 'refunding') then now() end
from unnest(%(order_ids)s::bigint[], %(statuses)s::text[]) as change (order_id, status)
where payments.order_id = change.order_id;

-- name: claim_open
-- Payments that are due to be taken up with the provider, the most overdue first, and when they are due again if
-- nothing comes of it: that time is this worker's to ask in. Given up is one whose hold is over for longer than a
-- request to the provider takes: what the provider does not know then, it will not be asked for any more.
-- Locks: the payments that it returns, FOR UPDATE; waits for none, so that several workers share the work.
with locked_payments as materialized (
    select id
    from payments
    where next_check_at <= now()
    order by next_check_at
    limit %(limit)s
    for update skip locked
)

update payments
set next_check_at = now() + make_interval(secs => %(check_after_ms)s::double precision / 1000)
from locked_payments, orders
where payments.id = locked_payments.id and payments.order_id = orders.id
returning
    orders.reference,
    payments.status,
    payments.amount_minor,
    payments.currency,
    orders.status = 'pending' and orders.expires_at > now() as wanted,
    orders.expires_at < now() - make_interval(secs => %(request_max_s)s::double precision) as abandoned;
