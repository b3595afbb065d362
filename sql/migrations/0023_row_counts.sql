-- A check of the number of rows that a statement has changed. COMMIT follows the statements of a batch in the same round
-- trip, so that the server has to detect a wrong number.

create function require_rows(actual bigint, required integer, failure text) returns void
language plpgsql
as $$
begin
    if actual <> required then
        raise exception '% rows are affected instead of %', actual, required
        using errcode = failure;
    end if;
end
$$;
comment on function require_rows(bigint, integer, text) is 'Raise an error if a statement affects another number of rows';
