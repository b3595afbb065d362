-- name: find_broken_histories
-- An order's history starts with a first state, has no gaps, and ends with the current state.
with steps as (
    select
        id,
        order_id,
        previous,
        status,
        lag(status) over in_order as status_before,
        lead(status) over in_order as status_after
    from order_events
    where subject = 'order'
    window in_order as (partition by order_id order by id)
)

select
    orders.id as order_id,
    orders.reference,
    orders.status,
    orders.expires_at,
    steps.status_before,
    steps.previous as step_from,
    steps.status as step_to
from orders
left join steps on orders.id = steps.order_id
where
    steps.id is null
    or steps.previous is distinct from steps.status_before
    or (steps.previous is null and (steps.status = 'pending') <> (orders.expires_at is not null))
    or (steps.status_after is null and steps.status <> orders.status)
order by orders.id, steps.id;

-- name: find_broken_payment_histories
-- A payment's history has no gaps and ends with the current state.
-- The history omits the first state. With a hold that state is pending, otherwise the request decided the payment.
with steps as (
    select
        id,
        order_id,
        previous,
        status,
        lag(status) over in_order as status_before,
        lead(status) over in_order as status_after
    from order_events
    where subject = 'payment'
    window in_order as (partition by order_id order by id)
),

begun as (
    select
        payments.id,
        payments.order_id,
        payments.status,
        orders.reference,
        case
            when orders.expires_at is not null then 'pending'
            when orders.status = 'declined' then 'declined'
            else 'captured'
        end as first_status
    from payments
    inner join orders on payments.order_id = orders.id
)

select
    begun.order_id,
    begun.reference,
    begun.first_status,
    begun.status as payment,
    steps.status_before,
    steps.previous as step_from,
    steps.status as step_to
from begun
left join steps on begun.order_id = steps.order_id
where
    (steps.id is null and begun.status <> begun.first_status)
    or (steps.id is not null and steps.previous is distinct from coalesce(steps.status_before, begun.first_status))
    or (steps.status_after is null and steps.status <> begun.status)
order by begun.order_id, steps.id;

-- name: find_broken_refund_histories
-- A refund's history starts with its first state, has no gaps, and ends with the current state.
with steps as (
    select
        id,
        detail as refund_id,
        previous,
        status,
        lag(status) over in_order as status_before,
        lead(status) over in_order as status_after
    from order_events
    where subject = 'refund'
    window in_order as (partition by detail order by id)
)

select
    refunds.status,
    steps.status_before,
    steps.previous as step_from,
    steps.status as step_to,
    coalesce(refunds.id, steps.refund_id) as refund_id
from refunds
full join steps on refunds.id = steps.refund_id
where
    refunds.id is null
    or steps.refund_id is null
    or steps.previous is distinct from steps.status_before
    or (steps.status_after is null and steps.status <> refunds.status)
order by refunds.id, steps.id;

-- name: find_broken_line_histories
-- A booking has one entry in the history if it was returned by itself, and none otherwise.
with entries as (
    select
        detail as booking_id,
        order_id,
        count(*) as entries
    from order_events
    where subject = 'line'
    group by detail, order_id
),

returned as (
    select
        id,
        order_id
    from bookings
    where released_reason = 'returned'
)

select
    returned.order_id,
    entries.order_id as order_id_of_entry,
    coalesce(returned.id, entries.booking_id) as booking_id,
    coalesce(entries.entries, 0) as entries
from returned
full join entries on returned.id = entries.booking_id and returned.order_id = entries.order_id
where returned.id is null or entries.entries is distinct from 1
order by coalesce(returned.id, entries.booking_id);

-- name: find_events_without_order
-- Every history entry has its order.
select
    order_events.id as event_id,
    order_events.order_id,
    order_events.subject,
    order_events.status
from order_events
left join orders on order_events.order_id = orders.id
where orders.id is null
order by order_events.id;
