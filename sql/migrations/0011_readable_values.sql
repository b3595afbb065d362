-- Constraints on values that a reader of the database cannot represent, display or type.
-- Python and browsers know the years 1 to 9999. A day's margin allows for every time zone.
-- A sum of 1000 of the largest prices is below 2^53, so that JavaScript represents every amount exactly.

create function is_displayable(value text) returns boolean
language sql
immutable
parallel safe
return
is_normalized(value, 'NFC')
-- Controls, line separators, directions, and characters without a width or a shape. The lists of code points do not
-- depend on the collation, unlike character classes.
and value !~ (
    '[\u0001-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e'
    || '\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\uffff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]'
)
and value !~ '^[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]|[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]$';
comment on function is_displayable(text)
is 'Check that a text is trimmed, is in normalization form C, and has no control, direction or invisible characters';

-- The existing rows, all faults in one message.
do $$
declare
    rule record;
    fault record;
    faults text[] := '{}';
begin
    for rule in
        select
            relation.relname as relation,
            attribute.attname as attribute,
            format(
                $q$%I between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'$q$, attribute.attname
            ) as condition,
            'a time between the years 1 and 9999' as expected
        from pg_attribute as attribute
        inner join pg_class as relation on attribute.attrelid = relation.oid
        where
            relation.relnamespace = 'public'::regnamespace
            and relation.relkind = 'r'
            and relation.relname <> 'migrations'
            and attribute.attnum > 0
            and attribute.atttypid = 'timestamptz'::regtype
        union all
        values
        (
            'booking_limits',
            'booked_at',
            $q$
                '0001-01-02 00:00:00+00' <= all(booked_at)
                and '9999-12-30 23:59:59.999999+00' >= all(booked_at)
                and array_position(booked_at, null) is null
            $q$,
            'a list of times between the years 1 and 9999'
        ),
        (
            'events',
            'time_zone',
            $q$
                time_zone = 'UTC'
                or (
                    time_zone ~ '^[A-Z][A-Za-z_]*(/[A-Za-z0-9_+-]+)+$'
                    and exists (select 1 from pg_timezone_names where name = time_zone)
                )
            $q$,
            'UTC or an IANA time zone with a slash'
        ),
        ('events', 'name', 'is_displayable(name)', 'a trimmed text without invisible characters'),
        ('events', 'venue', 'is_displayable(venue)', 'a trimmed text without invisible characters'),
        (
            'events',
            'description',
            $q$is_displayable(replace(description, E'\n', ' '))$q$,
            'a trimmed text without invisible characters'
        ),
        ('tiers', 'name', 'is_displayable(name)', 'a trimmed text without invisible characters'),
        ('tiers', 'price_minor', 'price_minor <= 1000000000000', 'a price of at most 10^12 minor units'),
        (
            'tickets',
            'row_label',
            $q$is_displayable(row_label) and length(row_label) between 1 and 50$q$,
            'a trimmed text of 1 to 50 characters without invisible characters'
        ),
        ('orders', 'quantity', 'quantity <= 1000', 'a quantity of at most 1000'),
        ('orders', 'total_minor', 'total_minor <= 1000000000000000', 'an amount of at most 10^15 minor units'),
        ('bookings', 'price_minor', 'price_minor <= 1000000000000', 'a price of at most 10^12 minor units'),
        ('payments', 'amount_minor', 'amount_minor <= 1000000000000000', 'an amount of at most 10^15 minor units')
    loop
        for fault in execute format(
            'select %1$I::text as key, %2$I::text as value from %3$I where not (%4$s) order by 1 limit 5',
            case rule.relation when 'events' then 'slug' when 'booking_limits' then 'user_id' else 'id' end,
            rule.attribute,
            rule.relation,
            rule.condition
        )
        loop
            faults := faults || format(
                'Table %s, row %L, column %s: %L is not %s.',
                rule.relation,
                fault.key,
                rule.attribute,
                fault.value,
                rule.expected
            );
        end loop;
    end loop;
    if cardinality(faults) > 0 then
        raise exception '%', array_to_string(faults, E'\n');
    end if;
end
$$;

-- Times ---------------------------------------------------------------------------------------------------

alter table events
add constraint events_times_check check (
    starts_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and ends_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and doors_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and sales_start_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and sales_end_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and cancelled_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and updated_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
);
comment on constraint events_times_check on events is 'Times lie between the years 1 and 9999';

alter table tickets
add constraint tickets_times_check check (
    held_until between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
);
comment on constraint tickets_times_check on tickets is 'Times lie between the years 1 and 9999';

alter table orders
add constraint orders_times_check check (
    created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and expires_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and cancelled_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
);
comment on constraint orders_times_check on orders is 'Times lie between the years 1 and 9999';

alter table bookings
add constraint bookings_times_check check (
    created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and released_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
);
comment on constraint bookings_times_check on bookings is 'Times lie between the years 1 and 9999';

alter table payments
add constraint payments_times_check check (
    created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and next_check_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
);
comment on constraint payments_times_check on payments is 'Times lie between the years 1 and 9999';

alter table webhooks
add constraint webhooks_times_check check (
    received_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and processed_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
);
comment on constraint webhooks_times_check on webhooks is 'Times lie between the years 1 and 9999';

alter table order_events
add constraint order_events_times_check check (
    created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
);
comment on constraint order_events_times_check on order_events is 'Times lie between the years 1 and 9999';

alter table workers
add constraint workers_times_check check (
    started_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    and heartbeat_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
);
comment on constraint workers_times_check on workers is 'Times lie between the years 1 and 9999';

alter table booking_limits
add constraint booking_limits_times_check check (
    '0001-01-02 00:00:00+00' <= all(booked_at)
    and '9999-12-30 23:59:59.999999+00' >= all(booked_at)
    and array_position(booked_at, null) is null
);
comment on constraint booking_limits_times_check on booking_limits is 'Times lie between the years 1 and 9999';

-- Time zones ----------------------------------------------------------------------------------------------

-- The former constraint accepted abbreviations such as EST and POSIX rules such as Mars/Olympus5.
alter table events drop constraint events_time_zone_check;
alter table events
add constraint events_time_zone_check check (
    time_zone = 'UTC' or time_zone ~ '^[A-Z][A-Za-z_]*(/[A-Za-z0-9_+-]+)+$'
);
comment on constraint events_time_zone_check on events is 'A time zone is UTC or has the form of an IANA name with a slash';

create function check_time_zone() returns trigger
language plpgsql
as $$
begin
    if not exists (select 1 from pg_timezone_names where name = new.time_zone) then
        raise exception 'the server does not know the time zone %', quote_literal(new.time_zone)
        using errcode = 'check_violation', table = 'events', column = 'time_zone', constraint = 'events_check_time_zone';
    end if;
    return new;
end
$$;
comment on function check_time_zone() is 'Refuse a time zone that the server does not know';

-- A trigger, because the server's list of zones changes with its updates. A constraint may not depend on the list, and
-- would refuse the dump of a server with newer zones. The trigger does not fire when a dump is restored.
create trigger events_check_time_zone
before insert or update of time_zone on events
for each row
when (new.time_zone <> 'UTC')
execute function check_time_zone();

-- Texts ---------------------------------------------------------------------------------------------------

alter table events
add constraint events_texts_check check (
    is_displayable(name) and is_displayable(venue) and is_displayable(replace(description, E'\n', ' '))
);
comment on constraint events_texts_check on events
is 'Texts can be displayed; only a description may have several lines';

alter table tiers
add constraint tiers_texts_check check (is_displayable(name));
comment on constraint tiers_texts_check on tiers is 'A tier''s name can be displayed';

-- A domain, because PostgreSQL checks it only when a label is written. A constraint of the table would cost every sale
-- of a seat several microseconds.
create domain row_label as text
constraint row_label_check check (is_displayable(value) and length(value) between 1 and 50);
comment on domain row_label is 'Label of a row of seats';
comment on constraint row_label_check on domain row_label is 'A label can be displayed and has 1 to 50 characters';
alter table tickets alter column row_label type row_label;

-- Amounts -------------------------------------------------------------------------------------------------

alter table tiers drop constraint tiers_price_check;
alter table tiers
add constraint tiers_price_check check (price_minor between 0 and 1000000000000);
comment on constraint tiers_price_check on tiers is 'A price is at most 10^12 minor units and is not negative';

alter table orders drop constraint orders_quantity_check, drop constraint orders_total_check;
alter table orders
add constraint orders_quantity_check check (quantity between 1 and 1000),
add constraint orders_total_check check (total_minor between 0 and 1000000000000000);
comment on constraint orders_quantity_check on orders is 'An order has 1 to 1000 tickets';
comment on constraint orders_total_check on orders is 'A total is at most 10^15 minor units and is not negative';

alter table bookings drop constraint bookings_price_check;
alter table bookings
add constraint bookings_price_check check (price_minor between 0 and 1000000000000);
comment on constraint bookings_price_check on bookings is 'A price is at most 10^12 minor units and is not negative';

alter table payments drop constraint payments_amount_check;
alter table payments
add constraint payments_amount_check check (amount_minor between 0 and 1000000000000000);
comment on constraint payments_amount_check on payments
is 'An amount is at most 10^15 minor units and is not negative';
