-- name: lock_event
-- Lock an event, so that its cancellation starts once.
-- Locks: the event, FOR NO KEY UPDATE; waits.
-- Isolation: read committed. The caller reads the cancellation in a later statement, which sees what it waited for.
select id
from events
where slug = %(event)s
for no key update;

-- name: find_cancellation
-- Find the cancellation of an event; no row: the event does not exist. Without a cancellation, `started_at` is null.
select
    events.id as event_id,
    events.name,
    cancellations.reason,
    cancellations.started_at,
    cancellations.finished_at
from events
left join cancellations on events.id = cancellations.event_id
where events.slug = %(event)s;

-- name: end_sale
-- End the sale of a locked event.
update events
set cancelled_at = now()
where id = %(event_id)s and cancelled_at is null;

-- name: withdraw_tickets
-- Withdraw the available tickets of an event. A booking claims only available tickets, so that no booking commits after
-- this transaction: the statement waits for bookings that have locked a ticket, and later ones find none.
-- Locks: the available tickets, FOR UPDATE, in the order of their ids; waits.
-- Isolation: read committed.
with locked_tickets as materialized (
    select id
    from tickets
    where event_id = %(event_id)s and status = 'available'
    order by id
    for update
)

update tickets
set status = 'withdrawn'
where id in (
    select id
    from locked_tickets
);

-- name: lock_live_orders
-- Lock the orders of an event that have tickets, with their payments. Changes of these orders then follow.
-- Locks: the orders and their payments, FOR UPDATE, in the order of their ids; waits.
-- Isolation: read committed.
select orders.id
from orders
inner join payments on orders.id = payments.order_id
where orders.id in (select live_orders(%(event_id)s))
order by orders.id
for update of orders, payments;

-- name: summarize_orders
-- Sum up the orders of an event that have tickets, by currency and kind: paid, pending, or free for a total of 0 or one
-- that was refunded before. The amount is paid and not refunded, in minor units.
with summed as (
    select
        payments.currency,
        case
            when orders.status = 'pending' then 'pending'
            when payments.amount_minor > payments.refunded_minor then 'paid'
            else 'free'
        end as kind,
        case orders.status when 'confirmed' then payments.amount_minor - payments.refunded_minor else 0 end as amount_minor,
        (
            select count(*)
            from bookings
            where bookings.order_id = orders.id and bookings.released_at is null
        ) as tickets
    from orders
    inner join payments on orders.id = payments.order_id
    where orders.id in (select live_orders(%(event_id)s))
)

select
    currency,
    kind,
    count(*) as orders,
    sum(tickets)::bigint as tickets,
    sum(amount_minor)::bigint as amount_minor
from summed
group by currency, kind
order by currency, kind;

-- name: insert_cancellation
-- Insert the cancellation of a locked event.
-- Fails: cancellations_pkey, if the event has one.
insert into cancellations (event_id, reason, last_refund_id)
select
    %(event_id)s,
    %(reason)s,
    coalesce(max(refunds.id), 0)
from refunds;

-- name: list_orders
-- List the orders of an event that have tickets as orders of its cancellation; return the new ones.
insert into cancelled_orders (order_id, event_id, amount_minor)
select
    orders.id,
    orders.event_id,
    case orders.status when 'confirmed' then payments.amount_minor - payments.refunded_minor else 0 end
from orders
inner join payments on orders.id = payments.order_id
where orders.id in (select live_orders(%(event_id)s))
order by orders.id
on conflict on constraint cancelled_orders_pkey do nothing
returning order_id;

-- name: claim_orders
-- Claim orders that the worker has not ended yet; with `only`, just that order. An order that has failed waits for its next
-- attempt, so that it does not keep its place in each batch.
-- Locks: the returned rows of cancelled_orders, FOR UPDATE; does not wait, so that several workers share the work.
-- Isolation: read committed.
select
    cancelled_orders.order_id,
    orders.reference
from cancelled_orders
inner join orders on cancelled_orders.order_id = orders.id
where
    cancelled_orders.ended_at is null
    and cancelled_orders.next_attempt_at <= now()
    and (%(only)s::bigint is null or cancelled_orders.order_id = %(only)s::bigint)
order by cancelled_orders.order_id
limit %(limit)s
for update of cancelled_orders skip locked;

-- name: postpone_order
-- Postpone an order that could not be ended. The pause doubles with each attempt.
-- Locks: the row of cancelled_orders, FOR UPDATE; waits.
update cancelled_orders
set
    attempts = least(attempts + 1, 1000),
    next_attempt_at = now() + make_interval(
        secs => least(%(pause_s)s::float8 * 2.0 ^ least(attempts, 20), %(pause_max_s)s::float8)
    )
where order_id = %(order_id)s and ended_at is null;

-- name: mark_ended
-- Mark claimed orders as ended.
update cancelled_orders
set ended_at = now()
where order_id = any(%(order_ids)s::bigint[]);

-- name: lock_settled
-- Lock unfinished cancellations whose orders have ended, and whose payments and refunds are decided.
-- Locks: the cancellations, FOR UPDATE; does not wait, so that several workers share the work.
-- Isolation: read committed.
select cancellations.event_id
from cancellations
where
    cancellations.finished_at is null
    and not exists (
        select 1
        from cancelled_orders
        where cancelled_orders.event_id = cancellations.event_id and cancelled_orders.ended_at is null
    )
    and not exists (
        select 1
        from payments
        inner join cancelled_orders on payments.order_id = cancelled_orders.order_id
        where payments.next_check_at is not null and cancelled_orders.event_id = cancellations.event_id
    )
    and not exists (
        select 1
        from refunds
        inner join payments on refunds.payment_id = payments.id
        inner join cancelled_orders on payments.order_id = cancelled_orders.order_id
        where refunds.next_check_at is not null and cancelled_orders.event_id = cancellations.event_id
    )
for update skip locked;

-- name: finish
-- Finish a locked cancellation.
update cancellations
set finished_at = now()
where event_id = %(event_id)s;

-- name: count_progress
-- Count the orders of cancellations and sum up their amounts, by event, currency and state. An order is waiting until the
-- worker has ended it, and has no money if it was neither paid before nor after the cancellation. Otherwise it has the
-- state of its least advanced refund. Each order has one state, so that the numbers add up at each moment.
-- `event_id` selects a cancellation; null selects all that are not finished. Amounts in minor units.
with counted as (
    select
        events.slug as event,
        payments.currency,
        case
            when cancelled_orders.ended_at is null then 'waiting'
            when bool_or(refunds.status = 'failed') then 'failed'
            when bool_or(refunds.status in ('requested', 'pending')) then 'requested'
            when count(refunds.id) > 0 then 'succeeded'
            else 'without_money'
        end as state,
        case
            when cancelled_orders.ended_at is null then cancelled_orders.amount_minor
            else coalesce(sum(refunds.amount_minor), 0)::bigint
        end as amount_minor
    from cancellations
    inner join events on cancellations.event_id = events.id
    inner join cancelled_orders on cancellations.event_id = cancelled_orders.event_id
    inner join payments on cancelled_orders.order_id = payments.order_id
    -- The metrics repeat this statement, so that it reads the refunds of many orders at once.
    left join refunds on payments.id = refunds.payment_id and cancellations.last_refund_id < refunds.id
    where
        case
            when %(event_id)s::integer is null then cancellations.finished_at is null
            else cancellations.event_id = %(event_id)s::integer
        end
    group by events.slug, payments.currency, cancelled_orders.order_id
)

select
    event,
    currency,
    state,
    count(*) as orders,
    sum(amount_minor)::bigint as amount_minor
from counted
group by event, currency, state
order by event, currency, state;

-- name: read_lag
-- Read the time in seconds since a cancelled event has ended its last order while other orders wait: the longest one, and
-- the number of the waiting orders.
select
    'end_orders' as job,
    coalesce(greatest(extract(epoch from now() - min(progress.ended_at)), 0), 0)::float8 as lag_seconds,
    coalesce(sum(progress.due), 0)::bigint as due
from (
    select
        greatest(cancellations.started_at, max(cancelled_orders.ended_at)) as ended_at,
        count(*) filter (where cancelled_orders.ended_at is null) as due
    from cancellations
    inner join cancelled_orders on cancellations.event_id = cancelled_orders.event_id
    where cancellations.finished_at is null
    group by cancellations.event_id
    having bool_or(cancelled_orders.ended_at is null)
) as progress;

-- name: list_failed
-- List the failed refunds of a cancellation, oldest first.
select
    refunds.key,
    orders.reference,
    refunds.amount_minor,
    payments.currency,
    refunds.last_error
from cancellations
inner join cancelled_orders on cancellations.event_id = cancelled_orders.event_id
inner join orders on cancelled_orders.order_id = orders.id
inner join payments on cancelled_orders.order_id = payments.order_id
inner join refunds on payments.id = refunds.payment_id
where
    cancellations.event_id = %(event_id)s
    and refunds.id > cancellations.last_refund_id
    and refunds.status = 'failed'
order by refunds.id
limit %(limit)s;
