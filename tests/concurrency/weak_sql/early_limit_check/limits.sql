-- name: note_bookings
-- Note bookings if the statement's snapshot admits them, although a concurrent transaction may have noted more.
with noted as (
    insert into booking_limits (user_id, booked_at)
    select
        buyer.user_id,
        array_fill(now(), array[buyer.bookings])
    from unnest(%(user_ids)s::text[], %(bookings)s::integer[]) as buyer (user_id, bookings)
    left join booking_limits on buyer.user_id = booking_limits.user_id
    where
        coalesce(cardinality(recent(booking_limits.booked_at, interval '1 minute')), 0) + buyer.bookings <= %(limit)s
    on conflict on constraint booking_limits_pkey do update
        set booked_at = recent(booking_limits.booked_at, interval '2 minutes') || excluded.booked_at
    returning user_id
)

select require_rows(count(*), cardinality(%(user_ids)s::text[]), 'serialization_failure')
from noted;
