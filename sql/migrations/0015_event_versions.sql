-- A change of a tier is a change of its event, so that clients can compare the versions of responses. The address of
-- an event's venue, for calendar files.

alter table events add column address text;
alter table events
add constraint events_address_check check (is_displayable(address) and length(address) between 1 and 200);
comment on column events.address is 'Postal address of the venue on one line; null if it is not announced';
comment on constraint events_address_check on events
is 'An address has 1 to 200 characters and is a trimmed text without invisible characters';

comment on column events.revision is 'Number of changes of the event and its tiers; triggers count them';
comment on column events.updated_at is 'Time of the last change of the event or its tiers; a trigger sets it';

create function note_tier_change() returns trigger
language plpgsql
as $$
begin
    -- note_event_change sets the values of both columns.
    update events
    set revision = revision + 1
    where id in (old.event_id, new.event_id);
    return null;
end
$$;
comment on function note_tier_change() is 'Count a change of a tier as a change of its event';

create trigger tiers_note_change
after update on tiers
for each row
when (old is distinct from new)
execute function note_tier_change();

create trigger tiers_note_existence
after insert or delete on tiers
for each row
execute function note_tier_change();
