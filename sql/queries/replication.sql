-- name: await_standby
-- Write a record into the WAL, so that the commit waits until the synchronous standby has all earlier changes.
-- Without a synchronous standby, or without a change of the orders since a time, write nothing. A null array of orders
-- stands for any change.
select
    now() as replicated_at,
    pg_logical_emit_message(true, 'tickets', 'await standby') as lsn
where
    case
        when current_setting('synchronous_standby_names') = '' then false
        when %(order_ids)s::bigint[] is null then true
        else exists (
            select 1
            from order_events
            where
                order_id = any(%(order_ids)s::bigint[])
                and created_at >= coalesce(%(since)s::timestamptz, '-infinity')
        )
    end;

-- name: count_waiting
-- Count the commits of this role in this database that wait for the synchronous standby.
select count(*)::integer as waiting
from pg_stat_activity
where datname = current_database() and usename = current_user and wait_event = 'SyncRep';

-- name: read_longest_wait
-- Read the time in seconds for which a commit of this role in this database has waited for the synchronous standby; 0
-- without such a commit.
select coalesce(extract(epoch from max(clock_timestamp() - query_start)), 0)::float8 as wait_seconds
from pg_stat_activity
where datname = current_database() and usename = current_user and wait_event = 'SyncRep';

-- name: read_timeline
-- Read the identifier of the database cluster, and the name of the present WAL file, which begins with the timeline.
select
    control.system_identifier as cluster,
    pg_walfile_name(pg_current_wal_insert_lsn()) as wal_file
from pg_control_system() as control;
