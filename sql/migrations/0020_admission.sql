-- The time after an event for which its tickets stay valid is a setting. The rule of admission therefore is a function
-- of its own, with that time as a parameter.

drop function event_rules(timestamptz, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz);

create function event_rules(
    sales_start_at timestamptz,
    sales_end_at timestamptz,
    starts_at timestamptz,
    ends_at timestamptz,
    cancelled_at timestamptz,
    read_at timestamptz
)
returns table (sale text, begun boolean, takes_place boolean, refundable boolean)
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
        cancelled_at is not null or read_at < starts_at as refundable;
end;
comment on function event_rules(timestamptz, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz)
is 'Decisions that depend on an event''s times at read_at. api/services/event_rules.py contains the same rules';

create function event_admits(
    starts_at timestamptz,
    ends_at timestamptz,
    cancelled_at timestamptz,
    read_at timestamptz,
    admission_hours integer
)
returns boolean
language sql
stable
return cancelled_at is null
and read_at < coalesce(ends_at, starts_at) + make_interval(hours => admission_hours);
comment on function event_admits(timestamptz, timestamptz, timestamptz, timestamptz, integer)
is 'Validity of tickets at the entrance at read_at. api/services/event_rules.py contains the same rule';
