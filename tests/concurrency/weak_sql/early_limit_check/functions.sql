-- Note bookings if the statement's snapshot admits them, although a concurrent transaction may have noted more.
create or replace function note_buyers(buyers text[], causes text[], per_minute integer) returns text[]
language plpgsql
as $$
declare
    noted text[];
begin
    with changed as (
        insert into booking_limits (user_id, booked_at)
        select buyer, array_fill(now(), array[count(*)::integer])
        from unnest(buyers, causes) as each (buyer, cause)
        left join booking_limits on each.buyer = booking_limits.user_id
        where cause is null
        group by buyer, booked_at
        having coalesce(cardinality(recent(booked_at, interval '1 minute')), 0) + count(*) <= per_minute
        order by buyer collate "C"
        on conflict on constraint booking_limits_pkey do update
            set booked_at = recent(booking_limits.booked_at, interval '2 minutes') || excluded.booked_at
        returning user_id
    )

    select coalesce(array_agg(user_id), '{}')
    into noted
    from changed;
    return array(
        select buyer
        from unnest(buyers, causes) as each (buyer, cause)
        where cause is null and buyer <> all(noted)
    );
end
$$;
