-- Texts with variation selectors. A selector chooses the form of the character before it, for example of an emoji.
-- Alone it is invisible.

do $$
declare
    faults text;
begin
    select string_agg(
        format(
            'Table %s, row %L, column %s: %L is not a trimmed text without invisible characters.',
            stored.relation,
            stored.key,
            stored.attribute,
            stored.value
        ),
        E'\n'
        order by stored.relation, stored.key, stored.attribute
    )
    into faults
    from (
        select 'events' as relation, slug as key, 'name' as attribute, name as value from events
        union all
        select 'events', slug, 'venue', venue from events
        union all
        select 'events', slug, 'address', address from events
        union all
        select 'events', slug, 'description', description from events
        union all
        select 'tiers', id::text, 'name', name from tiers
        union all
        select 'tickets', min(id)::text, 'row_label', row_label from tickets group by row_label
    ) as stored
    where stored.value ~ '(^|[\n \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u200c\u200d])[\ufe00-\ufe0f]';
    if faults is not null then
        raise exception '%', faults;
    end if;
end
$$;

create or replace function is_displayable(value text) returns boolean
language sql
immutable
parallel safe
return
is_normalized(value, 'NFC')
-- Controls, line separators, directions, and characters without a width or a shape. The lists of code points do not
-- depend on the collation, unlike character classes.
and value !~ (
    '[\u0001-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e'
    || '\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a'
    || '\U000e0000-\U000e0fff]'
)
and value !~ '^[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]|[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]$'
-- A joiner is between two visible characters, and at least one of them is beyond ASCII.
and value !~ (
    '(^|[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u200c\u200d])[\u200c\u200d]'
    || '|[\u200c\u200d]([ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]|$)'
    || '|[\u0021-\u007e][\u200c\u200d][\u0021-\u007e]'
)
-- A variation selector follows a visible character.
and value !~ '(^|[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u200c\u200d])[\ufe00-\ufe0f]';
comment on function is_displayable(text)
is 'Check that a text is trimmed and NFC, and has no control, direction or invisible characters outside words and emoji';
