-- name: find_kept_orders
-- An order that the cancellation of its event has ended has no tickets, nor has any order after the cancellation.
select
    orders.id as order_id,
    orders.reference,
    orders.status,
    cancellations.finished_at,
    cancelled_orders.ended_at
from cancellations
inner join orders on cancellations.event_id = orders.event_id
inner join bookings on orders.id = bookings.order_id and bookings.released_at is null
left join cancelled_orders on orders.id = cancelled_orders.order_id
where cancellations.finished_at is not null or cancelled_orders.ended_at is not null
order by orders.id, bookings.line;

-- name: find_missing_refunds
-- An order that the cancellation of its event has ended has refunds since then of the amount that it had paid.
with later_refunds as (
    select
        cancelled_orders.order_id,
        sum(refunds.amount_minor) as amount_minor
    from cancelled_orders
    inner join cancellations on cancelled_orders.event_id = cancellations.event_id
    inner join payments on cancelled_orders.order_id = payments.order_id
    inner join refunds on payments.id = refunds.payment_id and cancellations.last_refund_id < refunds.id
    group by cancelled_orders.order_id
)

select
    cancelled_orders.order_id,
    cancelled_orders.amount_minor,
    coalesce(later_refunds.amount_minor, 0) as refunded_minor
from cancelled_orders
left join later_refunds on cancelled_orders.order_id = later_refunds.order_id
where cancelled_orders.ended_at is not null and cancelled_orders.amount_minor > coalesce(later_refunds.amount_minor, 0)
order by cancelled_orders.order_id;

-- name: find_wrong_withdrawals
-- Only tickets of cancelled events are withdrawn, and all tickets of an event are once its cancellation has finished.
select
    tickets.id as ticket_id,
    tickets.event_id,
    tickets.status,
    events.cancelled_at,
    cancellations.finished_at
from tickets
inner join events on tickets.event_id = events.id
left join cancellations on tickets.event_id = cancellations.event_id
where
    (tickets.status = 'withdrawn' and events.cancelled_at is null)
    or (tickets.status <> 'withdrawn' and cancellations.finished_at is not null)
order by tickets.id;
