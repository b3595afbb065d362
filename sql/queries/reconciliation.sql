-- name: find_payments
-- Find the payments of orders with a hold that were captured since a time, and those of known references. The provider has
-- no payment of 0.
select
    orders.reference,
    payments.status,
    payments.amount_minor,
    payments.currency,
    payments.created_at >= %(since)s::timestamptz as is_recent
from payments
inner join orders on payments.order_id = orders.id
where
    orders.expires_at is not null
    and payments.amount_minor > 0
    and (
        orders.reference = any(%(known)s::text[])
        or (
            payments.created_at >= %(since)s::timestamptz
            and payments.status in ('captured', 'refunding', 'refunded')
            and %(hosted)s::boolean = exists (
                select 1
                from checkouts
                where checkouts.payment_id = payments.id
            )
        )
    )
order by orders.reference;

-- name: find_refunds
-- Find the refunds of orders with a hold that were requested since a time, and those of known keys. A key contains the
-- number of the attempt.
select
    orders.reference,
    refunds.status,
    refunds.amount_minor,
    payments.currency,
    refunds.key || '_' || refunds.attempt as key,
    refunds.created_at >= %(since)s::timestamptz as is_recent
from refunds
inner join payments on refunds.payment_id = payments.id
inner join orders on payments.order_id = orders.id
where
    orders.expires_at is not null
    and (
        refunds.key || '_' || refunds.attempt = any(%(keys)s::text[])
        or (
            refunds.created_at >= %(since)s::timestamptz
            and %(hosted)s::boolean = exists (
                select 1
                from checkouts
                where checkouts.payment_id = payments.id
            )
        )
    )
order by refunds.id;
