-- The last change and the end of an event, and one function for all decisions that depend on an event's times.

alter table events
add column ends_at timestamptz,
add column updated_at timestamptz not null default now(),
add column revision integer not null default 0;
alter table events
add constraint events_ends_at_check check (ends_at > starts_at);
comment on column events.ends_at is 'Time at which the concert ends; null if it is not announced';
comment on column events.updated_at is 'Time of the last change of the row, for calendar files; a trigger sets it';
comment on column events.revision is 'Number of changes of the row, for calendar files; a trigger counts them';
comment on constraint events_ends_at_check on events is 'An event ends after it starts';

create function note_event_change() returns trigger
language plpgsql
as $$
begin
    new.updated_at := now();
    new.revision := old.revision + 1;
    return new;
end
$$;
comment on function note_event_change() is 'Count a change of an event, and note its time';

create trigger events_note_change
before update on events
for each row
when (old is distinct from new)
execute function note_event_change();

create function event_rules(
    sales_start_at timestamptz,
    sales_end_at timestamptz,
    starts_at timestamptz,
    ends_at timestamptz,
    cancelled_at timestamptz,
    read_at timestamptz
)
returns table (sale text, begun boolean, takes_place boolean, refundable boolean, admits boolean)
language sql
stable
begin atomic
    select
        case
            when cancelled_at is not null then 'cancelled'
            when read_at >= least(starts_at, sales_end_at) then 'ended'
            when read_at < sales_start_at then 'upcoming'
            else 'on_sale'
        end as sale,
        read_at >= starts_at as begun,
        cancelled_at is null as takes_place,
        cancelled_at is not null or read_at < starts_at as refundable,
        cancelled_at is null and read_at < coalesce(ends_at, starts_at) + interval '12 hours' as admits;
end;
comment on function event_rules(timestamptz, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz)
is 'Decisions that depend on an event''s times at read_at. api/services/event_rules.py contains the same rules';
