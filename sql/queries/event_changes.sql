-- name: mark_seen
-- Note the time at which the worker first sees changes of events. Each transaction that has read the values before began
-- earlier, so that this time separates the orders. A further change of the event removes the time again.
-- The clock is read after the snapshot, and therefore after the commits that the snapshot shows.
-- Locks: the changes, FOR UPDATE SKIP LOCKED. A transaction that changes the event once more may have locked one.
with new_changes as materialized (
    select id
    from event_changes
    where finished_at is null and last_order_id is null and seen_at is null
    for update skip locked
)

update event_changes
set seen_at = clock_timestamp()
where id in (
    select id
    from new_changes
);

-- name: claim_change
-- Claim the oldest change whose delay has passed. A change that has failed waits for its next attempt.
-- Locks: the change, FOR UPDATE SKIP LOCKED, so that several workers share the work. A transaction that changes the event
-- once more waits for the lock, and its change then has a row of its own.
-- Isolation: read committed. The caller reads the event in a later statement.
select
    id,
    coalesce(last_order_id, 0) as last_order_id,
    last_order_id is not null as has_begun
from event_changes
where
    finished_at is null
    and seen_at <= now() - make_interval(secs => %(delay_s)s)
    and next_attempt_at <= now()
order by id
limit 1
for update skip locked;

-- name: concerns_buyers
-- Report whether a change is still one, and whether the event takes place and is not over.
select
    events.cancelled_at is null
    and greatest(events.starts_at, event_changes.starts_at) > now()
    and (
        event_changes.name <> events.name
        or event_changes.venue <> events.venue
        or event_changes.address is distinct from events.address
        or event_changes.starts_at <> events.starts_at
        or event_changes.doors_at is distinct from events.doors_at
        or event_changes.time_zone <> events.time_zone
    ) as concerns
from event_changes
inner join events on event_changes.event_id = events.id
where event_changes.id = %(change_id)s;

-- name: find_start
-- Find the cursor before the first order with tickets of a change's event. Earlier orders get no entry.
select coalesce(min(live.order_id) - 1, 0) as cursor
from event_changes
cross join lateral live_orders(event_changes.event_id) as live (order_id)
where event_changes.id = %(change_id)s;

-- name: insert_entries
-- Append an entry about a change to the histories of the next confirmed orders of its event, which have tickets. The
-- statement reads at most `scanned` orders of any event, and returns the new cursor. So all batches together read each
-- order once, however many orders the event has.
with next_orders as not materialized (
    select
        id,
        event_id,
        status,
        created_at
    from orders
    where id > %(cursor)s
    order by id
    limit %(scanned)s
),

concerned as materialized (
    select next_orders.id
    from next_orders
    inner join event_changes on next_orders.event_id = event_changes.event_id
    where
        event_changes.id = %(change_id)s
        and next_orders.status = 'confirmed'
        and next_orders.created_at <= event_changes.seen_at
    order by next_orders.id
    limit %(limit)s
),

inserted as (
    insert into order_events (order_id, subject, status, detail)
    select
        id,
        'event',
        'changed',
        %(change_id)s
    from concerned
    order by id
),

appended as (
    select
        count(*) = %(limit)s as is_full,
        max(id) as last_id
    from concerned
),

read as (
    select
        count(*) < %(scanned)s as is_last,
        coalesce(max(id), %(cursor)s) as last_id
    from next_orders
)

select
    case when appended.is_full then appended.last_id else read.last_id end as last_order_id,
    not appended.is_full and read.is_last as finished
from appended
cross join read;

-- name: move_cursor
-- Note the last order that was read for a locked change, and its end.
update event_changes
set
    last_order_id = %(last_order_id)s,
    finished_at = case when %(finished)s then now() end
where id = %(change_id)s;

-- name: postpone_change
-- Postpone a change whose entries could not be appended. The pause doubles with each attempt.
-- Locks: the change, FOR UPDATE; waits.
update event_changes
set
    attempts = least(attempts + 1, 1000),
    next_attempt_at = now() + make_interval(
        secs => least(%(pause_s)s::float8 * 2.0 ^ least(attempts, 20), %(pause_max_s)s::float8)
    )
where id = %(change_id)s and finished_at is null;

-- name: find_details
-- Find the values before the change that a message announces, as `messages.find_occasion` returns the present ones.
select
    event_changes.name,
    event_changes.venue,
    event_changes.address,
    event_changes.time_zone,
    null::timestamp as expires_at,
    event_changes.starts_at at time zone event_changes.time_zone as starts_at,
    event_changes.doors_at at time zone event_changes.time_zone as doors_at
from messages
inner join order_events on messages.source_id = order_events.id
inner join event_changes on order_events.detail = event_changes.id
where messages.id = %(message_id)s and order_events.subject = 'event';
