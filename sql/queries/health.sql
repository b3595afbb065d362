-- name: count_overdue_holds
-- Count the tickets that are held for more than 2 s past the end of their hold.
select count(*) as overdue
from tiers
inner join tickets on tiers.id = tickets.tier_id
where tickets.status = 'held' and tickets.held_until < now() - interval '2 s';

-- name: read_job_lags
-- Read for each job of the worker the time in seconds by which its most overdue item is late, and the number of due items,
-- at most 10,000, so that the time of the statement is bounded. Refunds are late since the last one was requested, because
-- their rate is limited. `delay_s` is the time until a change of an event is announced.
with due as (
    (
        select
            'reconcile_payments' as job,
            next_check_at as due_since
        from payments
        where next_check_at <= now()
        order by next_check_at
        limit 10000
    )
    union all
    (
        select
            'close_checkouts' as job,
            next_close_at
        from checkouts
        where next_close_at <= now()
        order by next_close_at
        limit 10000
    )
    union all
    (
        select
            'settle_webhooks' as job,
            received_at
        from webhooks
        where processed_at is null
        order by received_at
        limit 10000
    )
    union all
    (
        select
            'request_refunds' as job,
            greatest(refunds.next_check_at, refund_rate.used_until)
        from refunds
        cross join refund_rate
        where refunds.next_check_at <= now()
        order by refunds.next_check_at
        limit 10000
    )
    union all
    (
        select
            'record_disputes' as job,
            next_check_at
        from disputes
        where next_check_at <= now()
        order by next_check_at
        limit 10000
    )
    union all
    (
        select
            'note_event_changes' as job,
            coalesce(seen_at, created_at) + make_interval(secs => %(delay_s)s)
        from event_changes
        where finished_at is null and coalesce(seen_at, created_at) <= now() - make_interval(secs => %(delay_s)s)
        order by id
        limit 10000
    )
    union all
    (
        select
            'purge_messages' as job,
            created_at + make_interval(days => %(messages_days)s)
        from messages
        where
            recipient is not null
            and status <> 'queued'
            and created_at < now() - make_interval(days => %(messages_days)s)
        order by created_at
        limit 10000
    )
    union all
    (
        select
            'purge_webhooks' as job,
            processed_at + make_interval(days => %(webhooks_days)s)
        from webhooks
        where processed_at < now() - make_interval(days => %(webhooks_days)s)
        order by processed_at
        limit 10000
    )
    union all
    (
        select
            'purge_declined' as job,
            orders.created_at + make_interval(days => %(declined_days)s)
        from orders
        where
            orders.status = 'declined'
            and orders.created_at < now() - make_interval(days => %(declined_days)s)
            and not exists (
                select 1
                from payments
                left join disputes on payments.id = disputes.payment_id
                where
                    payments.order_id = orders.id
                    and (payments.status <> 'declined' or disputes.id is not null)
            )
        order by orders.created_at
        limit 10000
    )
    union all
    (
        select
            'purge_sessions' as job,
            expires_at + interval '1 day'
        from account_sessions
        where expires_at < now() - interval '1 day'
        order by expires_at
        limit 10000
    )
    union all
    (
        select
            'purge_sign_in_links' as job,
            expires_at + interval '1 day'
        from sign_in_links
        where expires_at < now() - interval '1 day'
        order by expires_at
        limit 10000
    )
    union all
    (
        select
            'purge_passkey_challenges' as job,
            expires_at
        from passkey_challenges
        where expires_at < now()
        order by expires_at
        limit 10000
    )
)

select
    jobs.name as job,
    coalesce(greatest(extract(epoch from now() - min(due.due_since)), 0), 0)::float8 as lag_seconds,
    count(due.due_since) as due
from
    unnest(
        '{reconcile_payments,close_checkouts,settle_webhooks,request_refunds,record_disputes,note_event_changes}'::text[]
        || '{purge_messages,purge_webhooks,purge_declined,purge_sessions,purge_sign_in_links}'::text[]
        || '{purge_passkey_challenges}'::text[]
    ) as jobs (name)
left join due on jobs.name = due.job
group by jobs.name
order by jobs.name;

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
