-- name: insert_refunds
-- Request refunds of locked payments, at most one of each payment, and reserve their amounts. A refund of a payment that
-- the provider has not charged succeeds at once.
-- Fails: payments_refunded_check, if the refunds of a payment would exceed its amount. refunds_key_key, if a key is used.
with new as (
    select
        key,
        payment_id,
        amount_minor,
        status,
        reason,
        requested_by
    from
        unnest(
            %(keys)s::uuid[],
            %(payment_ids)s::bigint[],
            %(amounts_minor)s::bigint[],
            %(statuses)s::text[],
            %(reasons)s::text[],
            %(requested_by)s::text[]
        ) as new (key, payment_id, amount_minor, status, reason, requested_by)
),

reserved as (
    update payments
    set refunded_minor = payments.refunded_minor + new.amount_minor
    from new
    where payments.id = new.payment_id
    returning
        payments.id,
        payments.order_id
),

inserted as (
    insert into refunds (key, payment_id, amount_minor, status, reason, requested_by, next_check_at, settled_at)
    select
        key,
        payment_id,
        amount_minor,
        status,
        reason,
        requested_by,
        case status when 'requested' then now() end,
        case status when 'succeeded' then now() end
    from new
    order by payment_id
    returning
        id,
        key,
        payment_id,
        amount_minor,
        status,
        reason,
        created_at
)

select
    inserted.id,
    reserved.order_id,
    inserted.key,
    inserted.payment_id,
    inserted.amount_minor,
    inserted.status,
    inserted.reason,
    inserted.created_at
from inserted
inner join reserved on inserted.payment_id = reserved.id
order by inserted.payment_id;

-- name: list_refunds
-- List the refunds of orders, oldest first.
select
    refunds.id,
    payments.order_id,
    refunds.key,
    refunds.payment_id,
    refunds.amount_minor,
    refunds.status,
    refunds.reason,
    refunds.created_at
from payments
inner join refunds on payments.id = refunds.payment_id
where payments.order_id = any(%(order_ids)s::bigint[])
order by refunds.id;

-- name: lock_rate
-- Lock the rate of refunds, and return the number of refunds that it admits now: at most `per_second`, also after a pause.
-- No row: no refund is due.
-- Locks: the row of refund_rate, FOR UPDATE; waits.
-- Isolation: read committed, because workers wait for each other's change of the rate.
select
    least(
        greatest(floor(extract(epoch from clock_timestamp() - used_until) * %(per_second)s::integer), 0),
        %(per_second)s::integer
    )::integer as admitted
from refund_rate
where
    exists (
        select 1
        from refunds
        where refunds.next_check_at <= now()
    )
for update;

-- name: use_rate
-- Move the use of the locked rate by the intervals of some refunds. A pause of more than a second is not made up for.
update refund_rate
set
    used_until = greatest(used_until, clock_timestamp() - interval '1 s')
    + make_interval(secs => %(refunds)s::double precision / %(per_second)s::integer);

-- name: claim_open
-- Claim open refunds that are due for a check, the most overdue first, and set their next check. next_check_at acts as a
-- lease: no other worker claims the refund before that time. After a crash, the next worker repeats the request, and the
-- provider recognizes its key. A provider may forget a key after a day, so that is_forgotten holds long before. The time
-- between two checks is at least a twentieth of the refund's age, up to an hour.
-- Locks: the returned refunds, FOR UPDATE SKIP LOCKED, so that several workers share the work.
with locked_refunds as materialized (
    select id
    from refunds
    where next_check_at <= now()
    order by next_check_at
    limit %(limit)s
    for update skip locked
)

update refunds
set
    next_check_at = now() + greatest(
        make_interval(secs => %(check_after_ms)s::double precision / 1000),
        least((now() - refunds.created_at) / 20, interval '1 hour')
    )
from
    locked_refunds,
    payments
inner join orders on payments.order_id = orders.id
where refunds.id = locked_refunds.id and refunds.payment_id = payments.id
returning
    refunds.id,
    refunds.key,
    refunds.attempt,
    refunds.status,
    refunds.amount_minor,
    orders.reference,
    payments.amount_minor as charged_minor,
    payments.currency,
    refunds.created_at < now() - interval '1 hour' as is_forgotten,
    refunds.created_at < now() - make_interval(hours => %(give_up_hours)s) as is_old;

-- name: hasten_refunds
-- Have the worker check open refunds of locked orders at once.
-- Locks: the refunds; the caller has locked their orders.
update refunds
set next_check_at = now()
from payments
inner join orders on payments.order_id = orders.id
where
    refunds.payment_id = payments.id
    and orders.reference = any(%(references)s::text[])
    and refunds.next_check_at is not null;

-- name: settle_refunds
-- Store the provider's results for open refunds of locked orders. A result of an earlier attempt changes nothing.
-- Locks: the refunds; the caller has locked their orders.
-- Fails: order_events_transition_check, if the transition is not allowed.
update refunds
set
    status = result.status,
    provider_id = coalesce(result.provider_id, refunds.provider_id),
    last_error = result.error,
    next_check_at = case when result.status = 'pending' then refunds.next_check_at end,
    settled_at = case when result.status <> 'pending' then now() end
from
    unnest(
        %(ids)s::bigint[],
        %(attempts)s::smallint[],
        %(statuses)s::text[],
        %(provider_ids)s::text[],
        %(errors)s::text[]
    ) as result (id, attempt, status, provider_id, error)
where
    refunds.id = result.id
    and refunds.attempt = result.attempt
    and refunds.status in ('requested', 'pending');

-- name: settle_open
-- Mark all open refunds of locked orders as succeeded, because the provider has refunded the whole charges.
-- Locks: the refunds; the caller has locked their orders.
update refunds
set
    status = 'succeeded',
    next_check_at = null,
    settled_at = now()
from payments
where
    refunds.payment_id = payments.id
    and payments.order_id = any(%(order_ids)s::bigint[])
    and refunds.status in ('requested', 'pending');

-- name: count_failed
-- Count the refunds that the provider has refused. Their buyers wait for their money until somebody acts.
select count(*) as failed
from refunds
where status = 'failed';

-- name: count_stuck
-- Count the refunds that the provider has not accepted for longer than a limit, for example because the key of its API is
-- wrong. The worker repeats their requests, but only an operator ends the cause.
select count(*) as stuck
from refunds
where
    next_check_at is not null
    and status = 'requested'
    and created_at < now() - make_interval(hours => %(hours)s);

-- name: find_reference
-- Find the order of a refund by the refund's key.
with refund as (
    select payment_id
    from refunds
    where key = %(refund_key)s::uuid
)

select orders.reference
from refund
inner join payments on refund.payment_id = payments.id
inner join orders on payments.order_id = orders.id;

-- name: retry_failed
-- Request a failed refund of a locked order again, as another attempt.
-- Locks: the refund; the caller has locked its order.
update refunds
set
    status = 'requested',
    attempt = refunds.attempt + 1,
    provider_id = null,
    next_check_at = now(),
    settled_at = null
where key = %(refund_key)s::uuid and status = 'failed'
returning id;
