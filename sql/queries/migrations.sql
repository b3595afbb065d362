-- name: create_table
-- Create the table in which the runner records applied migrations.
create table if not exists migrations (
    name text not null constraint migrations_pkey primary key,
    sha256 text not null constraint migrations_sha256_check check (sha256 ~ '^[0-9a-f]{64}$'),
    applied_at timestamptz not null default now()
);

-- name: table_exists
-- Report whether the table of applied migrations exists. A role that may not create tables can then read it.
select to_regclass('migrations') is not null as found;

-- name: lock_runner
-- Admit one migration runner at a time.
-- Locks: an advisory lock of the transaction; waits for the runner that holds it.
select pg_advisory_xact_lock(20261122, 1);

-- name: list_applied
-- List the applied migrations with their checksums.
select
    name,
    sha256
from migrations
order by name;

-- name: insert_migration
-- Record an applied migration.
insert into migrations (name, sha256)
values (%(name)s, %(sha256)s);

-- name: may_grant
-- Report whether the application's role exists and this session's role may grant it privileges on the tables.
select
    exists (
        select 1
        from pg_roles
        where pg_roles.rolname = 'tickets_app'
    )
    and current_user <> 'tickets_app'
    and pg_has_role(pg_class.relowner, 'USAGE') as found
from pg_class
where pg_class.oid = to_regclass('migrations');

-- name: drop_tables
-- Drop every table that the migrations create.
-- Locks: the tables, ACCESS EXCLUSIVE; waits.
drop table if exists workers, passkey_challenges, passkeys, sign_in_limits, sign_in_links, grants, account_sessions, accounts, messages, feeds, order_events, booking_limits, buyer_guards, webhooks, checkouts, refund_rate, cancelled_orders, cancellations, event_changes, disputes, refunds, payments, bookings, orders, tickets, tiers, events, migrations;

-- name: drop_domains
-- Drop every domain that the migrations create. drop_tables has already removed the columns.
drop domain if exists row_label;

-- name: drop_functions
-- Drop every function that the migrations create. drop_tables and drop_domains have removed triggers and constraints.
drop function if exists
book_batch,
check_time_zone(),
claim_any,
event_admits(timestamptz, timestamptz, timestamptz, timestamptz, integer),
event_rules(timestamptz, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz),
is_displayable(text),
leave_out,
live_orders,
lock_chosen,
lock_reference,
mark_tickets,
note_buyers,
note_changes(),
note_event_change(),
note_event_details(),
note_new_orders(),
note_new_refunds(),
note_refund_changes(),
note_returned_lines(),
note_tier_change(),
purge_history(),
rebase_feeds(),
recent(timestamptz[], interval),
refuse_change(),
require_rows(bigint, integer, text);
