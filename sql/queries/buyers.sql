-- name: find_buyers
-- Find the tickets of buyers in events with a limit per buyer, one row per tier, and the versions of their guards.
-- A buyer without tickets has one row with a null tier. The statement reads tickets and version in one snapshot, so
-- that the version stands for these tickets.
-- Isolation: read committed, outside the booking transaction; move_guards decides.
with wanted as (
    select
        event_id,
        limit_key
    from unnest(%(event_ids)s::integer[], %(limit_keys)s::text[]) as buyer (event_id, limit_key)
)

select
    wanted.event_id,
    wanted.limit_key,
    buyer_guards.version::text as version,
    taken.tier_id,
    coalesce(taken.tickets, 0) as tickets
from wanted
left join buyer_guards on wanted.event_id = buyer_guards.event_id and wanted.limit_key = buyer_guards.limit_key
left join
    lateral (
        select
            bookings.tier_id,
            count(*)::integer as tickets
        from orders
        inner join bookings on orders.id = bookings.order_id
        where
            orders.event_id = wanted.event_id
            and orders.limit_key = wanted.limit_key
            and bookings.released_at is null
        group by bookings.tier_id
    ) as taken
    on true;

-- name: move_guards
-- Move the guards of buyers from the versions that find_buyers has read to this transaction.
-- A guard at another version means that a concurrent transaction has sold tickets to the buyer, so that the count is
-- outdated. A null version stands for a missing guard. If a purge has deleted a guard since then, the insert keeps the
-- outdated version, which the last condition refuses.
-- Locks: the buyers' own guards, in the order of the parameters; waits.
-- Fails: serialization_failure, when a guard has another version. The batch runs again.
with moved as (
    insert into buyer_guards (event_id, limit_key, version, revision)
    select
        event_id,
        limit_key,
        coalesce(version::xid8, pg_current_xact_id()),
        revision
    from
        unnest(%(event_ids)s::integer[], %(limit_keys)s::text[], %(versions)s::text[], %(revisions)s::integer[])
            as buyer (event_id, limit_key, version, revision)
    on conflict on constraint buyer_guards_pkey do update
        set
            version = pg_current_xact_id(),
            revision = excluded.revision
        where buyer_guards.version = excluded.version
    returning version
)

select require_rows(count(*), cardinality(%(limit_keys)s::text[]), 'serialization_failure')
from moved
where version = pg_current_xact_id();

-- name: lock_guards
-- Move the guards of the buyers of orders with a limit to this transaction, whatever their versions are, and find these
-- orders. A booking of such a buyer then waits for this transaction and runs again.
-- Locks: the buyers' guards, in the order of their keys; waits. The caller has locked the orders.
-- Isolation: read committed. A later statement sees every booking that has moved a guard before.
with moved as (
    insert into buyer_guards (event_id, limit_key, version, revision)
    select distinct
        orders.event_id,
        orders.limit_key,
        pg_current_xact_id(),
        events.revision
    from orders
    inner join events on orders.event_id = events.id
    where orders.id = any(%(order_ids)s::bigint[]) and orders.limit_key is not null
    order by orders.event_id, orders.limit_key
    on conflict on constraint buyer_guards_pkey do update
        set
            version = excluded.version,
            revision = excluded.revision
    returning event_id, limit_key
)

select orders.id
from orders
inner join moved on orders.event_id = moved.event_id and orders.limit_key = moved.limit_key
where orders.id = any(%(order_ids)s::bigint[]);

-- name: fits_limits
-- Check whether an order's buyer may have the order's tickets besides the tickets of all other orders.
-- Isolation: read committed, after lock_guards.
with taken as (
    select
        bookings.tier_id,
        count(*) as tickets
    from orders
    inner join orders as other on orders.event_id = other.event_id and orders.limit_key = other.limit_key
    inner join bookings on other.id = bookings.order_id
    where orders.id = %(order_id)s and (bookings.released_at is null or other.id = orders.id)
    group by bookings.tier_id
)

select
    coalesce(sum(taken.tickets) <= min(events.tickets_per_buyer), true)
    and coalesce(bool_and(taken.tickets <= tiers.tickets_per_buyer), true) as fits
from taken
inner join tiers on taken.tier_id = tiers.id
inner join events on tiers.event_id = events.id;

-- name: delete_guards
-- Delete the guards of events whose sale ended more than a day ago. No booking of the sale is still under way then.
-- Locks: the deleted rows, FOR UPDATE; does not wait.
with locked_guards as materialized (
    select
        buyer_guards.event_id,
        buyer_guards.limit_key
    from events
    inner join buyer_guards on events.id = buyer_guards.event_id
    where least(events.starts_at, events.sales_end_at) < now() - interval '1 day'
    order by buyer_guards.event_id, buyer_guards.limit_key
    limit %(limit)s
    for update of buyer_guards skip locked
)

delete from buyer_guards
where (event_id, limit_key) in (
    select
        event_id,
        limit_key
    from locked_guards
);
