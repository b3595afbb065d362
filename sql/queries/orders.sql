-- name: draw_ids
-- Ids for new orders and bookings, and the transaction's time.
select
    now() as created_at,
    array(
        select nextval('orders_id_seq')
        from generate_series(1, %(orders)s)
    ) as order_ids,
    array(
        select nextval('bookings_id_seq')
        from generate_series(1, %(bookings)s)
    ) as booking_ids;

-- name: find_orders
-- The orders of these references.
-- Isolation: read committed, outside the booking transaction: a search for a key that does not exist yet
-- predicate-locks the page of the index on which every other booking's key may come to stand.
select
    id,
    reference,
    user_id,
    request_digest,
    status,
    total_minor,
    currency,
    created_at
from orders
where reference = any(%(references)s::text[]);

-- name: list_orders
-- A buyer's orders, newest first, from below a cursor (an order's id).
select
    id,
    reference,
    user_id,
    request_digest,
    status,
    total_minor,
    currency,
    created_at
from orders
where user_id = %(user_id)s and id < %(before)s
order by id desc
limit %(limit)s;

-- name: insert_orders
-- Locks: waits for an unfinished transaction that has inserted one of the references.
-- Fails: orders_reference_key, when that one commits; the booking is then run again and answered as a repeat.
insert into orders (
    id, event_id, reference, user_id, request_digest, status, quantity, total_minor, currency
)
select
    unnest(%(ids)s::bigint[]),
    unnest(%(event_ids)s::integer[]),
    unnest(%(references)s::text[]),
    unnest(%(user_ids)s::text[]),
    unnest(%(request_digests)s::bytea[]),
    unnest(%(statuses)s::text[]),
    unnest(%(quantities)s::smallint[]),
    unnest(%(totals_minor)s::bigint[]),
    unnest(%(currencies)s::text[]);

-- name: delete_declined
-- Forgets declined orders that are older than a number of days, with their payments.
-- Locks: the orders that it deletes, FOR UPDATE; waits for none, so that several workers share the work.
with locked_orders as materialized (
    select id
    from orders
    where status = 'declined' and created_at < now() - make_interval(days => %(days)s)
    order by created_at
    limit %(limit)s
    for update skip locked
),

deleted_payments as (
    delete from payments
    where order_id in (
        select id
        from locked_orders
    )
)

delete from orders
where id in (
    select id
    from locked_orders
);
