-- Names of buyers without blanks around them. The API trims the names of requests, so that it cannot find other names.
-- The blanks are those of api/text.py.
-- The digests of existing orders are unchanged. A digest that was made from a name with blanks or decomposed characters
-- matches no request, and a repeat of the booking request is refused with 422 key_reused.

do $$
declare
    blanks constant text
    := '^[\u0009-\u000d \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+'
    || '|[\u0009-\u000d \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+$';
    faults text;
begin
    select string_agg(
        format('Table orders, row %L, column user_id: %L is not a name with a visible character.', id::text, user_id),
        E'\n'
        order by id
    )
    into faults
    from (
        select id, user_id
        from orders
        where regexp_replace(user_id, blanks, '', 'g') = ''
        order by id
        limit 5
    ) as blank;
    if faults is not null then
        raise exception '%', faults;
    end if;
    update orders
    set user_id = regexp_replace(user_id, blanks, '', 'g')
    where user_id ~ blanks;
end
$$;

alter table orders
add constraint orders_user_trimmed_check check (
    user_id !~ (
        '^[\u0009-\u000d \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]'
        || '|[\u0009-\u000d \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]$'
    )
);
comment on constraint orders_user_trimmed_check on orders is 'A name has no blanks around it';
