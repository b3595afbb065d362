-- name: note_bookings
-- Note bookings whatever the limit.
insert into booking_limits (user_id, booked_at)
select
    buyer.user_id,
    array_fill(now(), array[buyer.bookings])
from unnest(%(user_ids)s::text[], %(bookings)s::integer[]) as buyer (user_id, bookings)
on conflict on constraint booking_limits_pkey do update
    set booked_at = recent(booking_limits.booked_at, interval '2 minutes') || excluded.booked_at;
