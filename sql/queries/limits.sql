-- name: find_limits
-- Find the times of buyers' bookings within the last minute, earliest first.
-- Isolation: read committed, outside the booking transaction; note_bookings decides.
select
    user_id,
    now() as seen_at,
    recent(booked_at, interval '1 minute') as booked_at
from booking_limits
where user_id = any(%(user_ids)s::text[]);

-- name: find_holds
-- Find the tickets that client addresses hold, and the seconds until their first hold ends.
-- Isolation: read committed, outside the booking transaction.
select
    client_hash,
    sum(quantity)::integer as tickets,
    extract(epoch from min(expires_at) - now())::double precision as back_in_s
from orders
where client_hash = any(%(client_hashes)s::bytea[])
group by client_hash;

-- name: note_bookings
-- Note new bookings of buyers whose limit admits them.
-- The times are those at which transactions began. Entries are kept for two minutes instead of one. A
-- transaction that began earlier may arrive later, and must count the minute before its own start.
-- The update's condition does not apply to a buyer without a row, so the insert has a condition of its own.
-- Locks: the buyers' own rows, in the order of their ids; waits.
-- Fails: serialization_failure, when the limit of a buyer does not admit the batch's bookings. The batch runs again.
with noted as (
    insert into booking_limits (user_id, booked_at)
    select
        buyer.user_id,
        array_fill(now(), array[buyer.bookings])
    from unnest(%(user_ids)s::text[], %(bookings)s::integer[]) as buyer (user_id, bookings)
    where buyer.bookings <= %(limit)s
    on conflict on constraint booking_limits_pkey do update
        set booked_at = recent(booking_limits.booked_at, interval '2 minutes') || excluded.booked_at
        where
        cardinality(recent(booking_limits.booked_at, interval '1 minute'))
        + cardinality(excluded.booked_at)
        <= %(limit)s
    returning user_id
)

select require_rows(count(*), cardinality(%(user_ids)s::text[]), 'serialization_failure')
from noted;

-- name: delete_idle
-- Delete the rows of buyers without a recent booking.
-- Locks: the deleted rows, FOR UPDATE; does not wait.
with locked_limits as materialized (
    select user_id
    from booking_limits
    where cardinality(recent(booked_at, interval '2 minutes')) = 0
    order by user_id
    limit %(limit)s
    for update skip locked
)

delete from booking_limits
where user_id in (
    select user_id
    from locked_limits
);
