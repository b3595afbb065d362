-- The deletion of a declined order deletes its history through a trigger, so that no role needs DELETE on the history.

create function purge_history() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    delete from order_events
    using deleted
    where order_events.order_id = deleted.id and deleted.status = 'declined';
    return null;
end
$$;
comment on function purge_history() is 'Delete the history of deleted orders that were declined, with the privileges of the table''s owner';

create trigger orders_purge_history
after delete on orders
referencing old table as deleted
for each statement
execute function purge_history();
