-- name: find_checkouts_without_payment
-- Every page of the provider belongs to the payment of an order with a hold, and so does every attributed dispute.
select
    linked.provider_id,
    linked.payment_id
from (
    select
        provider_id,
        payment_id
    from checkouts
    union all
    select
        id as provider_id,
        payment_id
    from disputes
    where payment_id is not null
) as linked
left join payments on linked.payment_id = payments.id
left join orders on payments.order_id = orders.id
where orders.expires_at is null
order by linked.provider_id;

-- name: find_refunds_without_payment
-- Every refund belongs to a payment that was captured.
select
    refunds.id as refund_id,
    refunds.payment_id,
    refunds.status,
    payments.status as payment
from refunds
left join payments on refunds.payment_id = payments.id
where payments.id is null or payments.status not in ('captured', 'refunding', 'refunded')
order by refunds.id;

-- name: find_wrong_refund_sums
-- The refunded amount of a payment is the sum of its refunds in every state, and at most its amount.
select
    payments.id as payment_id,
    payments.order_id,
    payments.amount_minor,
    payments.refunded_minor,
    coalesce(sum(refunds.amount_minor), 0) as refunds_minor
from payments
left join refunds on payments.id = refunds.payment_id
group by payments.id, payments.order_id, payments.amount_minor, payments.refunded_minor
having
    payments.refunded_minor <> coalesce(sum(refunds.amount_minor), 0)
    or payments.refunded_minor > payments.amount_minor
order by payments.id;

-- name: find_excess_refunds
-- The refunds of an order are at most the prices of its ended bookings.
with refunded as (
    select
        payments.order_id,
        sum(refunds.amount_minor) as refunds_minor
    from refunds
    inner join payments on refunds.payment_id = payments.id
    group by payments.order_id
),

ended as (
    select
        order_id,
        sum(price_minor) as prices_minor
    from bookings
    where released_at is not null
    group by order_id
)

select
    refunded.order_id,
    refunded.refunds_minor,
    coalesce(ended.prices_minor, 0) as prices_minor
from refunded
left join ended on refunded.order_id = ended.order_id
where refunded.refunds_minor > coalesce(ended.prices_minor, 0)
order by refunded.order_id;

-- name: find_unpaid_returns
-- A returned ticket with a price has a refund of its order's payment.
select
    bookings.id as booking_id,
    bookings.order_id,
    bookings.price_minor,
    bookings.refund_id,
    payments.order_id as order_id_of_refund
from bookings
left join refunds on bookings.refund_id = refunds.id
left join payments on refunds.payment_id = payments.id
where
    bookings.released_reason = 'returned'
    and (bookings.price_minor > 0 or bookings.refund_id is not null)
    and payments.order_id is distinct from bookings.order_id
order by bookings.id;

-- name: find_wrong_returns
-- A refund of returned tickets has the sum of their prices.
select
    refunds.id as refund_id,
    refunds.amount_minor,
    sum(bookings.price_minor) as prices_minor
from refunds
inner join bookings on refunds.id = bookings.refund_id
group by refunds.id, refunds.amount_minor
having refunds.amount_minor <> sum(bookings.price_minor)
order by refunds.id;

-- name: find_unrefunded_ends
-- The payment of an order that ended after its capture has refunds of its whole amount.
select
    payments.id as payment_id,
    payments.order_id,
    payments.status,
    payments.amount_minor,
    payments.refunded_minor
from payments
where payments.status in ('refunding', 'refunded') and payments.refunded_minor <> payments.amount_minor
order by payments.id;

-- name: find_unfinished_refunds
-- A payment is refunded if and only if its order has ended and all of its refunds have succeeded.
with counts as (
    select
        payment_id,
        count(*) filter (where status <> 'succeeded') as unfinished
    from refunds
    group by payment_id
)

select
    payments.id as payment_id,
    payments.order_id,
    payments.status,
    coalesce(counts.unfinished, 0) as unfinished
from payments
left join counts on payments.id = counts.payment_id
where
    payments.status in ('refunding', 'refunded')
    and (payments.status = 'refunded') <> (coalesce(counts.unfinished, 0) = 0)
order by payments.id;

-- name: find_shared_refunds
-- No two refunds share a key or a refund of the provider.
select
    identifier,
    array_agg(id order by id) as refund_ids
from (
    select
        id,
        key::text as identifier
    from refunds
    union all
    select
        id,
        provider_id as identifier
    from refunds
    where provider_id is not null
) as identified
group by identifier
having count(*) > 1
order by identifier;
