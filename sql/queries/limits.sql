-- name: find_limits
-- When these buyers have booked within the last minute, the earliest first.
-- Isolation: read committed, outside the booking transaction; note_bookings then decides.
select
    user_id,
    now() as seen_at,
    recent(booked_at, interval '1 minute') as booked_at
from booking_limits
where user_id = any(%(user_ids)s::text[]);

-- name: note_bookings
-- Notes new bookings of buyers whose limit admits them. Fewer rows than asked: someone's limit was used up by a
-- concurrent transaction.
-- Times are those of transactions' beginnings. What is older than two minutes is dropped, not one: a transaction
-- that began a little earlier may come later, and must count what is a minute before its own beginning.
-- Locks: the buyers' own rows, in the order of their ids; waits.
insert into booking_limits (user_id, booked_at)
select
    buyer.user_id,
    array_fill(now(), array[buyer.bookings])
from unnest(%(user_ids)s::text[], %(bookings)s::integer[]) as buyer (user_id, bookings)
on conflict on constraint booking_limits_pkey do update
    set booked_at = recent(booking_limits.booked_at, interval '2 minutes') || excluded.booked_at
    where
    cardinality(recent(booking_limits.booked_at, interval '1 minute')) + cardinality(excluded.booked_at) <= %(limit)s
returning user_id;

-- name: delete_idle
-- Forgets buyers who have not booked of late.
-- Locks: the rows that it deletes, FOR UPDATE; waits for none.
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
