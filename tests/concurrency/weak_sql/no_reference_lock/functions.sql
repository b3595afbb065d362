-- Lock no reference, and report none as locked.
create or replace function lock_references(wanted text[]) returns boolean[]
language plpgsql
as $$
begin
    return array_fill(true, array[cardinality(wanted)]);
end
$$;
