-- Find tickets without locking them.
create or replace function lock_chosen(wanted_ids bigint[], wanted_ctids tid[]) returns bigint[]
language plpgsql
as $$
begin
    return array(
        select tickets.id
        from tickets
        where tickets.ctid = any(wanted_ctids) and tickets.id = any(wanted_ids) and tickets.status = 'available'
    );
end
$$;

create or replace function claim_any(
    tier integer,
    start integer,
    share_width integer,
    shares integer[],
    quantity integer,
    except_ids bigint[],
    out ids bigint[],
    out ctids tid[],
    out spent integer
)
language plpgsql
as $$
begin
    spent := cardinality(shares);
    select coalesce(array_agg(found.id), '{}'), coalesce(array_agg(found.ctid), '{}')
    into ids, ctids
    from (
        select tickets.id, tickets.ctid
        from tickets
        where tickets.tier_id = tier and tickets.status = 'available' and tickets.id <> all(except_ids)
        order by tickets.position < start, tickets.position
        limit quantity
    ) as found;
end
$$;
