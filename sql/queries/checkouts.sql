-- name: insert_checkout
-- Store the provider's page of an order. The worker closes it at the end of the hold, or at once if the order has ended.
insert into checkouts (payment_id, provider_id, url, next_close_at)
select
    payments.id,
    %(provider_id)s,
    %(url)s,
    case orders.status when 'pending' then orders.expires_at else now() end
from orders
inner join payments on orders.id = payments.order_id
where orders.reference = %(reference)s
on conflict on constraint checkouts_pkey do nothing;

-- name: find_checkout
-- Find the provider's id of an order's page.
select checkouts.provider_id
from orders
inner join payments on orders.id = payments.order_id
inner join checkouts on payments.id = checkouts.payment_id
where orders.reference = %(reference)s;

-- name: claim_ended
-- Claim pages to close, the most overdue first, and set their next attempt. next_close_at acts as a lease: no other
-- worker claims the page before that time. After the hold the time between two attempts is at least a twentieth of the
-- time since then, up to an hour, as for payments.
-- Locks: the returned pages, FOR UPDATE SKIP LOCKED, so that several workers share the work.
with locked_checkouts as materialized (
    select payment_id
    from checkouts
    where next_close_at <= now()
    order by next_close_at
    limit %(limit)s
    for update skip locked
)

update checkouts
set
    next_close_at = now() + greatest(
        make_interval(secs => %(check_after_ms)s::double precision / 1000),
        least((now() - orders.expires_at) / 20, interval '1 hour')
    )
from
    locked_checkouts,
    payments
inner join orders on payments.order_id = orders.id
where checkouts.payment_id = locked_checkouts.payment_id and payments.id = checkouts.payment_id
returning
    orders.reference,
    checkouts.provider_id,
    checkouts.next_close_at,
    payments.amount_minor,
    payments.currency;

-- name: hasten_closed
-- Have the worker close the pages of locked orders again whose payments it has settled as unpaid, because the provider has
-- reported a change. A payment that was captured after all is then found.
-- Locks: the pages; the caller has locked their orders.
update checkouts
set next_close_at = now()
from payments
inner join orders on payments.order_id = orders.id
where
    checkouts.payment_id = payments.id
    and orders.reference = any(%(references)s::text[])
    and payments.status = any('{declined,void}');

-- name: mark_closed
-- Mark pages as closed, after which their orders' tickets may be released. A page stays due if it was hastened after its
-- claim, because the status may be older than the reported change.
-- Locks: the pages, which no other statement locks before it waits for another row.
update checkouts
set next_close_at = null
from unnest(%(provider_ids)s::text[], %(claimed_until)s::timestamptz[]) as closed (provider_id, claimed_until)
where checkouts.provider_id = closed.provider_id and checkouts.next_close_at = closed.claimed_until;

-- name: close_soon
-- Have the worker close the pages of locked orders that have ended. The page of a confirmed order is paid.
-- Locks: the pages; the caller has locked their orders.
update checkouts
set next_close_at = case when change.status <> 'confirmed' then now() end
from unnest(%(order_ids)s::bigint[], %(statuses)s::text[]) as change (order_id, status)
inner join payments on change.order_id = payments.order_id
where checkouts.payment_id = payments.id and checkouts.next_close_at is not null;
