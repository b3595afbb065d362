-- The time at which the doors open, which the event's page shows.

alter table events add column doors_at timestamptz;
alter table events
add constraint events_doors_at_check check (doors_at <= starts_at);
comment on column events.doors_at is 'Time at which the doors open; null if it is not announced';
comment on constraint events_doors_at_check on events is 'The doors open no later than the concert starts';
