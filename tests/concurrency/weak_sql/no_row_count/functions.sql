-- Report every ticket as taken, even if another transaction took it first.
create or replace function mark_tickets(taken tid[], hold_until timestamptz) returns bigint
language plpgsql
as $$
begin
    update tickets
    set
        status = case when hold_until is null then 'sold' else 'held' end,
        held_until = hold_until
    where ctid = any(taken);
    return cardinality(taken);
end
$$;
