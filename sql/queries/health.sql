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
-- List the privileges that a sale needs and that this session's role lacks.
-- The migration 0008 has created all of these relations.
select required.privilege || ' on ' || required.relation as missing
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
    ('orders_id_seq', 'USAGE'),
    ('bookings_id_seq', 'USAGE')
) as required (relation, privilege)
where
    case
        when required.relation in ('orders_id_seq', 'bookings_id_seq') then not has_sequence_privilege(required.relation, required.privilege)
        else not has_table_privilege(required.relation, required.privilege)
    end
order by required.relation, required.privilege;
