-- name: upsert_event
-- Makes an event whose sale is open from now on, or leaves the one of that slug as it is.
insert into events (slug, name, venue, starts_at, sales_start_at, currency)
values (%(slug)s, %(name)s, %(venue)s, %(starts_at)s, now(), %(currency)s)
on conflict on constraint events_slug_key do nothing;

-- name: lock_event
-- Locks: the event's row, so that seeds of one event run one after the other.
select id
from events
where slug = %(slug)s
for update;

-- name: event_exists
select exists(
    select 1
    from events
) as found;
