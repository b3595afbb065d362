-- name: find_last_payment
-- Find the last payment of a page that begins after an id; null: no payment follows. A page counts payments of every
-- kind, so that each statement reads a bounded number of rows.
-- Isolation: repeatable read, so that all pages are true at one moment.
select max(id) as last
from (
    select id
    from payments
    where id > %(after)s::bigint
    order by id
    limit %(limit)s
) as page;

-- name: list_captured
-- List the captured payments of a page that were made since a time for orders with a hold. The provider has no payment
-- of 0.
-- Isolation: repeatable read.
select
    orders.reference,
    payments.status,
    payments.amount_minor,
    payments.currency
from payments
inner join orders on payments.order_id = orders.id
where
    payments.id > %(after)s::bigint
    and payments.id <= %(through)s::bigint
    and payments.created_at >= %(since)s::timestamptz
    and payments.status = any('{captured,refunding,refunded}')
    and payments.amount_minor > 0
    and orders.expires_at is not null
    and %(hosted)s::boolean = exists (
        select 1
        from checkouts
        where checkouts.payment_id = payments.id
    )
order by payments.id;

-- name: find_payments
-- Find the payments of orders with a hold by the references of the orders.
-- Isolation: repeatable read.
select
    orders.reference,
    payments.status,
    payments.amount_minor,
    payments.currency
from orders
inner join payments on orders.id = payments.order_id
where
    orders.reference = any(%(references)s::text[])
    and orders.expires_at is not null
    and payments.amount_minor > 0
order by payments.id;

-- name: find_last_refund
-- Find the last refund of a page that begins after an id; null: no refund follows.
-- Isolation: repeatable read.
select max(id) as last
from (
    select id
    from refunds
    where id > %(after)s::bigint
    order by id
    limit %(limit)s
) as page;

-- name: list_made
-- List the refunds of a page that were requested since a time for orders with a hold, and that the provider has accepted.
-- A key contains the number of the attempt.
-- Isolation: repeatable read.
select
    orders.reference,
    refunds.status,
    refunds.amount_minor,
    payments.currency,
    refunds.key || '_' || refunds.attempt as key
from refunds
inner join payments on refunds.payment_id = payments.id
inner join orders on payments.order_id = orders.id
where
    refunds.id > %(after)s::bigint
    and refunds.id <= %(through)s::bigint
    and refunds.created_at >= %(since)s::timestamptz
    and refunds.status = any('{pending,succeeded}')
    and orders.expires_at is not null
    and %(hosted)s::boolean = exists (
        select 1
        from checkouts
        where checkouts.payment_id = payments.id
    )
order by refunds.id;

-- name: find_refunds
-- Find the refunds of orders with a hold by their keys without an attempt.
-- Isolation: repeatable read.
select
    orders.reference,
    refunds.status,
    refunds.amount_minor,
    payments.currency,
    refunds.key || '_' || refunds.attempt as key
from refunds
inner join payments on refunds.payment_id = payments.id
inner join orders on payments.order_id = orders.id
where refunds.key = any(%(keys)s::uuid[]) and orders.expires_at is not null
order by refunds.id;
