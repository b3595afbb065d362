-- name: start_batch
-- Read the transaction's time, draw ids for new orders and bookings, lock the references, and compare the tiers' events.
-- `in_flight` are the references that another unfinished transaction has locked. `changed_tiers` are the ids of the
-- tiers whose event has changed since the tier was read. After a failover or a reset of the database the same revision
-- may stand for other content, so the time of the last change must be equal as well.
-- These are one statement, because four cost more.
-- Locks: an advisory lock of the transaction for each reference, without waiting.
select
    now() as created_at,
    array(
        select reference
        from unnest(%(references)s::text[]) as reference
        where not pg_try_advisory_xact_lock(hashtextextended(reference, 20261122))
    ) as in_flight,
    array(
        select known.tier_id
        from
            unnest(
                %(tier_ids)s::integer[],
                %(event_ids)s::integer[],
                %(revisions)s::integer[],
                %(updated_at)s::timestamptz[]
            ) as known (tier_id, event_id, revision, updated_at)
        where
            not exists (
                select 1
                from events
                where
                    events.id = known.event_id
                    and events.revision = known.revision
                    and events.updated_at = known.updated_at
            )
    ) as changed_tiers,
    array(
        select nextval('orders_id_seq')
        from generate_series(1, %(orders)s)
    ) as order_ids,
    array(
        select nextval('bookings_id_seq')
        from generate_series(1, %(bookings)s)
    ) as booking_ids;

-- name: find_orders
-- Find orders by reference, with the states of their payments.
-- Most batches of bookings find none here. The subqueries run for each row found, so an empty result costs nothing.
-- Isolation: read committed, outside the booking transaction. A search for a missing key predicate-locks a page of the
-- index, into which other bookings insert their keys.
select
    orders.id,
    orders.reference,
    orders.user_id,
    orders.request_digest,
    orders.status,
    orders.total_minor,
    orders.currency,
    orders.created_at,
    orders.expires_at,
    payments.status as payment,
    payments.refunded_minor,
    orders.access_digest,
    orders.account_id,
    orders.link_generation,
    (
        select events.slug
        from events
        where events.id = orders.event_id
    ) as event,
    exists(
        select 1
        from order_events
        where order_events.order_id = orders.id and order_events.previous = 'expired'
    ) as paid_late,
    case
        when orders.status = 'pending' then (
            select checkouts.url
            from checkouts
            where checkouts.payment_id = payments.id and checkouts.next_close_at is not null
        )
    end as payment_url
from orders
inner join payments on orders.id = payments.order_id
where orders.reference = any(%(references)s::text[]);

-- name: read_clock
-- Read the database's clock, which ends holds.
select now() as read_at;

-- name: find_event
-- Find the event of an order, and the time at which the order was made.
select
    events.slug,
    events.name,
    events.venue,
    events.address,
    events.updated_at,
    events.revision,
    orders.created_at as ordered_at,
    events.sales_start_at,
    events.sales_end_at,
    events.starts_at,
    events.ends_at,
    events.cancelled_at,
    now() as read_at
from orders
inner join events on orders.event_id = events.id
where orders.id = %(order_id)s;

-- name: list_orders
-- List a buyer's orders in some states, newest first, with ids below a cursor.
-- `begun` selects the orders of events that have begun or that have not; null selects both. `digests` selects the orders
-- of secrets, `links` those with a generation and a reference, and `open` those without a secret and without an account.
select
    orders.id,
    orders.reference,
    orders.user_id,
    orders.request_digest,
    orders.status,
    orders.total_minor,
    orders.currency,
    orders.created_at,
    orders.expires_at,
    payments.status as payment,
    payments.refunded_minor,
    orders.access_digest,
    orders.account_id,
    events.slug as event,
    exists(
        select 1
        from order_events
        where order_events.order_id = orders.id and order_events.previous = 'expired'
    ) as paid_late
from orders
inner join payments on orders.id = payments.order_id
inner join events on orders.event_id = events.id
cross join
    lateral event_rules(
        events.sales_start_at, events.sales_end_at, events.starts_at, events.ends_at, events.cancelled_at, now()
    ) as rules
where
    orders.user_id = %(user_id)s
    and orders.id < %(before)s
    and orders.status = any(%(statuses)s::text[])
    and (
        orders.access_digest = any(%(digests)s::bytea[])
        or orders.link_generation || ' ' || orders.reference = any(%(links)s::text[])
        or (orders.access_digest is null and orders.account_id is null and %(open)s::boolean)
    )
    and (%(begun)s::boolean is null or rules.begun = %(begun)s::boolean)
order by orders.id desc
limit %(limit)s;

-- name: list_account_orders
-- List an account's orders in some states, newest first, with ids below a cursor.
-- `begun` selects the orders of events that have begun or that have not; null selects both.
select
    orders.id,
    orders.reference,
    orders.user_id,
    orders.request_digest,
    orders.status,
    orders.total_minor,
    orders.currency,
    orders.created_at,
    orders.expires_at,
    payments.status as payment,
    payments.refunded_minor,
    orders.access_digest,
    orders.account_id,
    events.slug as event,
    exists(
        select 1
        from order_events
        where order_events.order_id = orders.id and order_events.previous = 'expired'
    ) as paid_late
from orders
inner join payments on orders.id = payments.order_id
inner join events on orders.event_id = events.id
cross join
    lateral event_rules(
        events.sales_start_at, events.sales_end_at, events.starts_at, events.ends_at, events.cancelled_at, now()
    ) as rules
where
    orders.account_id = %(account_id)s
    and orders.id < %(before)s
    and orders.status = any(%(statuses)s::text[])
    and (%(begun)s::boolean is null or rules.begun = %(begun)s::boolean)
order by orders.id desc
limit %(limit)s;

-- name: insert_orders
-- Insert new orders.
-- Locks: waits for an unfinished transaction that has inserted one of the references.
-- Fails: orders_reference_key, when that transaction commits. The batcher runs the booking again as a repeat.
insert into orders (
    id,
    event_id,
    reference,
    user_id,
    limit_key,
    request_digest,
    status,
    quantity,
    total_minor,
    currency,
    expires_at,
    client_hash,
    access_digest,
    account_id,
    email,
    locale
)
select
    unnest(%(ids)s::bigint[]),
    unnest(%(event_ids)s::integer[]),
    unnest(%(references)s::text[]),
    unnest(%(user_ids)s::text[]),
    unnest(%(limit_keys)s::text[]),
    unnest(%(request_digests)s::bytea[]),
    unnest(%(statuses)s::text[]),
    unnest(%(quantities)s::smallint[]),
    unnest(%(totals_minor)s::bigint[]),
    unnest(%(currencies)s::text[]),
    unnest(%(expires_at)s::timestamptz[]),
    unnest(%(client_hashes)s::bytea[]),
    unnest(%(access_digests)s::bytea[]),
    unnest(%(accounts)s::bigint[]),
    unnest(%(emails)s::text[]),
    unnest(%(locales)s::text[]);

-- name: lock_orders
-- Lock orders by reference, to change their states.
-- Locks: the orders and their payments, FOR UPDATE, in the order of their ids; waits. PostgreSQL reads a row again
-- after a wait only if the statement locks that row, so the statement locks both.
-- Isolation: read committed.
select
    orders.id,
    orders.reference,
    orders.user_id,
    orders.status,
    orders.total_minor,
    orders.currency,
    payments.id as payment_id,
    payments.status as payment,
    payments.refunded_minor,
    events.slug as event,
    events.sales_start_at,
    events.sales_end_at,
    events.starts_at,
    events.ends_at,
    events.cancelled_at,
    orders.access_digest,
    orders.account_id,
    orders.link_generation,
    orders.reason,
    orders.expires_at is not null as held,
    now() as read_at
from orders
inner join payments on orders.id = payments.order_id
inner join events on orders.event_id = events.id
where orders.reference = any(%(references)s::text[])
order by orders.id
for update of orders, payments;

-- name: lock_expired
-- Lock pending orders whose hold has ended, the most overdue first; with `only`, just that order. An order whose page of
-- the provider is open waits until the page is closed, but for a second at most.
-- Locks: the orders, FOR UPDATE; does not wait, so that several workers share the work.
-- Isolation: read committed.
select id
from orders
where
    status = 'pending'
    and expires_at <= now()
    and (%(only)s::bigint is null or id = %(only)s::bigint)
    and (
        expires_at <= now() - interval '1 second'
        or not exists (
            select 1
            from payments
            inner join checkouts on payments.id = checkouts.payment_id
            where payments.order_id = orders.id and checkouts.next_close_at is not null
        )
    )
order by expires_at
limit %(limit)s
for update skip locked;

-- name: change_orders
-- Change the states of locked orders, which are no longer pending; a trigger writes the history.
-- Fails: order_events_transition_check, when no such transition exists.
update orders
set
    status = change.status,
    reason = change.reason,
    cancelled_at = case when change.status = 'cancelled' then now() end,
    client_hash = null
from unnest(%(ids)s::bigint[], %(statuses)s::text[], %(reasons)s::text[]) as change (id, status, reason)
where orders.id = change.id;

-- name: revoke_links
-- Replace the secret of a locked order, and begin the next generation of its links. The digest of the request changes
-- as well, so that a repeat of the booking with the former secret is refused.
update orders
set
    access_digest = %(access_digest)s,
    request_digest = sha256(request_digest || %(access_digest)s::bytea),
    link_generation = link_generation + 1
where id = %(order_id)s
returning link_generation;

-- name: delete_declined
-- Delete declined orders older than a number of days, with their payments and released bookings. A trigger deletes
-- their history. An order whose payment was captured after all stays with its refund. An order with a dispute stays,
-- because the dispute refers to its payment.
-- Locks: the deleted orders, FOR UPDATE; does not wait, so that several workers share the work.
with locked_orders as materialized (
    select id
    from orders
    where
        status = 'declined'
        and created_at < now() - make_interval(days => %(days)s)
        and not exists (
            select 1
            from payments
            left join disputes on payments.id = disputes.payment_id
            where
                payments.order_id = orders.id
                and (payments.status <> 'declined' or disputes.id is not null)
        )
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
),

deleted_checkouts as (
    delete from checkouts
    where payment_id in (
        select payments.id
        from payments
        inner join locked_orders on payments.order_id = locked_orders.id
    )
),

deleted_bookings as (
    delete from bookings
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
