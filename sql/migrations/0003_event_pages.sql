-- What an event's page says of it, and an event that does not take place.

alter table events add column description text not null default '';
alter table events add column time_zone text not null default 'UTC';
alter table events add column cancelled_at timestamptz;
alter table events
add constraint events_description_check check (length(description) <= 2000),
-- A zone that the server does not know is an error of the comparison itself.
add constraint events_time_zone_check check (
    time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$' and (to_timestamp(0) at time zone time_zone) is not null
),
add constraint events_cancelled_at_check check (cancelled_at >= created_at);
comment on column events.description is 'What the concert is, in a few sentences; empty: nothing is said';
comment on column events.time_zone is 'Where it takes place, as the IANA name of its time zone: its times are shown there';
comment on column events.cancelled_at is 'When it was called off, which ends its sale; null: it takes place';
comment on constraint events_description_check on events is 'A description is short: at most 2000 characters';
comment on constraint events_time_zone_check on events is 'A time zone is one that the server knows by its name';
comment on constraint events_cancelled_at_check on events is 'An event is called off after it was made';

create index events_starts_at_idx on events (starts_at, id);
comment on index events_starts_at_idx is 'What is to come, soonest first';
