-- The history as a feed: readers get every entry once, in the order in which transactions commit or later. Ids are drawn
-- before the commit, so a reader that remembers an id alone would miss an entry that is committed late.

alter table order_events add column xact xid8 not null default '0';
-- The first default marks the entries that exist. It is a constant, so the server rewrites no row.
alter table order_events alter column xact set default pg_current_xact_id();
comment on column order_events.xact is 'Transaction that wrote the entry; 0: before the feed existed';

create index order_events_feed_idx on order_events (xact, id);
comment on index order_events_feed_idx is 'Entries after the cursor of a feed';

create table feeds (
    name text not null constraint feeds_pkey primary key
    constraint feeds_name_check check (name ~ '^[a-z][a-z_]{0,49}$'),
    -- The first cursor lies behind all entries that are older than this table.
    xact xid8 not null default '0',
    id bigint not null default 9223372036854775807,
    system_identifier bigint
);
comment on table feeds is 'Readers of order_events with their cursors. An entry at or before (xact, id) was handled';
comment on column feeds.system_identifier is 'Database cluster of the transaction ids; null: nothing was read yet';
comment on constraint feeds_pkey on feeds is 'A reader has one cursor';
comment on constraint feeds_name_check on feeds is 'A name is a word in lower case';

-- A logical restore keeps the transaction ids of the old server, and the new server draws its own. The order of the
-- entries is then wrong. This function numbers the entries again: those that all readers have handled get 0, and all
-- others follow them. So a reader that was ahead of another one gets some entries again.
create function rebase_feeds() returns void
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
declare
    present constant bigint := (select control.system_identifier from pg_control_system() as control);
begin
    lock table feeds in access exclusive mode;
    lock table order_events in share row exclusive mode;
    -- A row that this server wrote has its transaction id in xmin as well. pg_upgrade keeps both.
    if exists (select 1 from order_events where order_events.xact <> '0' and order_events.xmin <> order_events.xact::xid) then
        alter table order_events disable trigger order_events_append_only;
        update order_events
        set xact = case
            when (order_events.xact, order_events.id) <= (
                select feeds.xact, feeds.id
                from feeds
                order by feeds.xact, feeds.id
                limit 1
            ) then '0'::xid8
            else pg_current_xact_id()
        end
        where order_events.xact <> '0' and order_events.xmin <> order_events.xact::xid;
        alter table order_events enable trigger order_events_append_only;
        update feeds set xact = '0', id = 9223372036854775807;
    end if;
    update feeds set system_identifier = present;
end
$$;
comment on function rebase_feeds() is 'Number the entries of the history again after a logical restore, so that no feed misses one';
