-- name: create_table
-- Where the runner notes what it has applied.
create table if not exists migrations (
    name text not null constraint migrations_pkey primary key,
    sha256 text not null constraint migrations_sha256_check check (sha256 ~ '^[0-9a-f]{64}$'),
    applied_at timestamptz not null default now()
);

-- name: lock_runner
-- Locks: a session-level advisory lock: of several runners one applies, the others wait and find it done.
select pg_advisory_lock(20261122, 1);

-- name: unlock_runner
select pg_advisory_unlock(20261122, 1);

-- name: list_applied
select
    name,
    sha256
from migrations
order by name;

-- name: insert_migration
insert into migrations (name, sha256)
values (%(name)s, %(sha256)s);

-- name: drop_tables
-- Every table that the migrations make.
-- Locks: all of it, exclusively.
drop table if exists order_events, booking_limits, webhooks, payments, bookings, orders, tickets, tiers, events, migrations;

-- name: drop_functions
-- Every function that the migrations make; the tables' triggers are gone before.
drop function if exists note_new_orders(), note_changes(), refuse_change(), recent(timestamptz[], interval);
