-- name: count_overdue_holds
-- Count the tickets that are held for more than 2 s past the end of their hold.
select count(*) as overdue
from tiers
inner join tickets on tiers.id = tickets.tier_id
where tickets.status = 'held' and tickets.held_until < now() - interval '2 s';

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
