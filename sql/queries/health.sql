-- name: count_overdue_holds
-- Count the tickets that are held for more than 2 s past the end of their hold.
select count(*) as overdue
from tiers
inner join tickets on tiers.id = tickets.tier_id
where tickets.status = 'held' and tickets.held_until < now() - interval '2 s';

-- name: read_job_lags
-- Read the time in seconds for which each job of the worker is late with its most overdue item. Refunds
-- are late since the last one was requested, because their rate is limited.
-- `delay_s` is the time until a change of an event is announced.
with lags as (
    select
        'reconcile_payments' as job,
        min(next_check_at) as due_since
    from payments
    where next_check_at is not null
    union all
    select
        'close_checkouts',
        min(next_close_at)
    from checkouts
    where next_close_at is not null
    union all
    select
        'settle_webhooks',
        min(received_at)
    from webhooks
    where processed_at is null
    union all
    select
        'request_refunds',
        (
            select greatest(min(refunds.next_check_at), refund_rate.used_until)
            from refunds
            where refunds.next_check_at is not null
            having count(*) > 0
        )
    from refund_rate
    union all
    select
        'record_disputes',
        min(next_check_at)
    from disputes
    where next_check_at is not null
    union all
    select
        'note_event_changes',
        min(coalesce(seen_at, created_at) + make_interval(secs => %(delay_s)s))
    from event_changes
    where finished_at is null
)

select
    job,
    coalesce(greatest(extract(epoch from now() - due_since), 0), 0)::float8 as lag_seconds
from lags
order by job;

-- name: list_standbys
-- List the standbys that receive this server's log. A role without pg_read_all_stats sees nulls.
select
    application_name as name,
    state,
    sync_state,
    extract(epoch from replay_lag)::float8 as lag_seconds,
    pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint as lag_bytes
from pg_stat_replication
order by application_name, pid;

-- name: list_missing_privileges
-- List the privileges that sales, settlements and the presence of workers need and that this session's role lacks.
-- The statement fails unless all migrations are applied.
select required.privilege || ' on ' || required.name as missing
from (
    values
    ('events', 'SELECT'),
    ('tiers', 'SELECT'),
    ('tickets', 'SELECT'),
    ('tickets', 'UPDATE'),
    ('orders', 'SELECT'),
    ('orders', 'INSERT'),
    ('orders', 'UPDATE'),
    ('payments', 'SELECT'),
    ('payments', 'INSERT'),
    ('payments', 'UPDATE'),
    ('refunds', 'SELECT'),
    ('refunds', 'INSERT'),
    ('refunds', 'UPDATE'),
    ('refund_rate', 'SELECT'),
    ('refund_rate', 'UPDATE'),
    ('bookings', 'SELECT'),
    ('bookings', 'INSERT'),
    ('bookings', 'UPDATE'),
    ('order_events', 'SELECT'),
    ('order_events', 'INSERT'),
    ('booking_limits', 'SELECT'),
    ('booking_limits', 'INSERT'),
    ('booking_limits', 'UPDATE'),
    ('webhooks', 'SELECT'),
    ('webhooks', 'INSERT'),
    ('webhooks', 'UPDATE'),
    ('workers', 'SELECT'),
    ('workers', 'INSERT'),
    ('workers', 'UPDATE'),
    ('workers', 'DELETE'),
    ('orders_id_seq', 'USAGE'),
    ('bookings_id_seq', 'USAGE'),
    ('book_batch', 'EXECUTE'),
    ('claim_any', 'EXECUTE'),
    ('event_admits', 'EXECUTE'),
    ('event_rules', 'EXECUTE'),
    ('leave_out', 'EXECUTE'),
    ('live_orders', 'EXECUTE'),
    ('lock_chosen', 'EXECUTE'),
    ('lock_reference', 'EXECUTE'),
    ('mark_tickets', 'EXECUTE'),
    ('note_buyers', 'EXECUTE'),
    ('recent', 'EXECUTE'),
    ('require_rows', 'EXECUTE')
) as required (name, privilege)
where
    case required.privilege
        when 'USAGE' then not has_sequence_privilege(required.name, required.privilege)
        when 'EXECUTE' then not has_function_privilege(required.name::regproc, required.privilege)
        else not has_table_privilege(required.name, required.privilege)
    end
order by required.name, required.privilege;
