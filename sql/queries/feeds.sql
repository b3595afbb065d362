-- name: inspect_feed
-- Report whether a feed has entries to read, and the database cluster of its cursor.
-- The statement locks nothing, so that an idle reader writes no log.
select
    system_identifier,
    exists(
        select 1
        from order_events
        where
            (order_events.xact, order_events.id) > (feeds.xact, feeds.id)
            and order_events.xact < pg_snapshot_xmin(pg_current_snapshot())
    ) as has_events
from feeds
where name = %(name)s;

-- name: lock_feed
-- Lock the cursor of a feed.
-- Locks: the feed, FOR UPDATE SKIP LOCKED. No row: another worker reads the feed.
-- Isolation: read committed.
select
    xact::text as xact,
    id
from feeds
where name = %(name)s
for update skip locked;

-- name: read_events
-- Read the entries after a cursor in the order of their transactions.
-- All transactions below the snapshot's xmin have ended. A later transaction gets a higher id, so that no entry can
-- appear before the cursor. An open transaction holds back all entries behind its own. The order has qualified names,
-- because `xact` alone is the text that the statement returns, and texts have another order than numbers.
-- Isolation: read committed, so that the snapshot is the statement's own.
select
    order_events.id,
    order_events.xact::text as xact,
    order_events.order_id,
    order_events.subject,
    order_events.previous,
    order_events.status,
    order_events.reason,
    order_events.created_at
from order_events
where
    (order_events.xact, order_events.id) > (%(xact)s::xid8, %(id)s::bigint)
    and order_events.xact < pg_snapshot_xmin(pg_current_snapshot())
order by order_events.xact, order_events.id
limit %(limit)s;

-- name: move_cursor
-- Move the cursor of a locked feed behind the last entry that was handled.
update feeds
set
    xact = %(xact)s::xid8,
    id = %(id)s,
    system_identifier = coalesce(%(system_identifier)s::bigint, system_identifier)
where name = %(name)s;

-- name: are_foreign
-- Report whether the history has the transaction ids of another database cluster, which happens after a logical restore.
-- A feed that has read nothing knows no cluster, but no transaction of this cluster has a higher id than the next one.
select
    exists (
        select 1
        from feeds
        cross join pg_control_system() as control
        where feeds.system_identifier <> control.system_identifier
    )
    or exists (
        select 1
        from order_events
        where xact >= pg_snapshot_xmax(pg_current_snapshot())
    ) as found;

-- name: rebase_feeds
-- Number the entries of the history again after a logical restore.
-- Locks: feeds, ACCESS EXCLUSIVE, and order_events, SHARE ROW EXCLUSIVE; waits.
select rebase_feeds();
