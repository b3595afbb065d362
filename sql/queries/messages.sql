-- name: insert_messages
-- Queue messages for entries of the history, to the buyers whose orders have an address. They have the language of the
-- order, or of its account if the order has none. An address gets at most `limit` messages about unpaid orders within an
-- hour, because anybody may book with any address without a payment. A cancelled event concerns each buyer, so that an
-- address gets one message about it besides the limit, whichever orders were unpaid. A hold that ends after the
-- cancellation ends for this reason, too. The refund of an order that has ended is part of another message. Messages to all
-- buyers of an event have the last priority, and requested ones the first.
with announced as (
    select
        entry.source_id,
        entry.delay_s,
        entry.is_unpaid,
        orders.id as order_id,
        orders.event_id,
        orders.email,
        case
            when entry.kind <> 'expired' then entry.kind
            when
                exists (
                    select 1
                    from events
                    where events.id = orders.event_id and events.cancelled_at is not null
                )
                then 'event_cancelled'
            else 'expired'
        end as kind,
        coalesce(
            orders.locale,
            (
                select accounts.locale
                from accounts
                where accounts.id = orders.account_id
            ),
            'en'
        ) as locale
    from
        unnest(
            %(source_ids)s::bigint[],
            %(order_ids)s::bigint[],
            %(kinds)s::text[],
            %(delays_s)s::integer[],
            %(unpaid)s::boolean[]
        ) as entry (source_id, order_id, kind, delay_s, is_unpaid)
    inner join orders on entry.order_id = orders.id
    where orders.email is not null and (entry.kind <> 'returned' or orders.status = 'confirmed')
),

entries as (
    select
        announced.source_id,
        announced.kind,
        announced.delay_s,
        announced.is_unpaid,
        announced.order_id,
        announced.email,
        announced.locale,
        announced.event_id,
        case
            when announced.source_id is null then 0
            when announced.kind in ('event_cancelled', 'event_changed') then 2
            when
                announced.kind = 'refunded'
                and exists (
                    select 1
                    from events
                    where events.id = announced.event_id and events.cancelled_at is not null
                )
                then 2
            else 1
        end as priority,
        row_number() over (
            partition by
                lower(announced.email),
                announced.is_unpaid,
                case when announced.kind = 'event_cancelled' then announced.event_id end
            order by announced.source_id
        ) as position
    from announced
),

addresses as (
    select distinct lower(email) as address
    from entries
    where is_unpaid and kind <> 'event_cancelled'
),

recent as (
    select
        addresses.address,
        counted.messages
    from addresses
    cross join
        lateral (
            select count(*) as messages
            from messages
            where
                messages.recipient is not null
                and lower(messages.recipient) = addresses.address
                and messages.created_at > now() - interval '1 hour'
                and messages.source_id is not null
                and messages.kind in ('held', 'declined', 'expired', 'cancelled')
                and messages.status <> 'skipped'
        ) as counted
)

insert into messages (kind, priority, order_id, source_id, recipient, locale, message_id, next_attempt_at)
select
    entries.kind,
    entries.priority,
    entries.order_id,
    entries.source_id,
    entries.email,
    entries.locale,
    '<' || gen_random_uuid() || '@' || %(domain)s::text || '>',
    now() + make_interval(secs => entries.delay_s)
from entries
left join recent on lower(entries.email) = recent.address
where
    not entries.is_unpaid
    or (entries.kind <> 'event_cancelled' and entries.position + recent.messages <= %(limit)s)
    or (
        entries.kind = 'event_cancelled'
        and entries.position = 1
        and not exists (
            select 1
            from messages
            inner join orders on messages.order_id = orders.id
            where
                messages.recipient is not null
                and lower(messages.recipient) = lower(entries.email)
                and messages.kind = 'event_cancelled'
                and messages.source_id is not null
                and orders.event_id = entries.event_id
        )
    )
order by entries.source_id
on conflict on constraint messages_source_key do nothing;

-- name: insert_notice
-- Queue a message to an account about a change to how it signs in. No other notice and no request delays it.
insert into messages (kind, recipient, locale, message_id, next_attempt_at)
select
    %(kind)s,
    accounts.email,
    coalesce(accounts.locale, 'en'),
    '<' || gen_random_uuid() || '@' || %(domain)s::text || '>',
    now()
from accounts
where accounts.id = %(account_id)s;

-- name: has_due
-- Report whether a message is due. The statement locks nothing.
select
    exists(
        select 1
        from messages
        where next_attempt_at <= now()
    ) as found;

-- name: claim_message
-- Claim the most overdue message of the first priority that has one; with `any_priority`, the most overdue message. The
-- next attempt of the message follows if the worker does not mark it until then, for example after a crash.
-- Locks: the message, FOR UPDATE SKIP LOCKED, until the end of this statement.
with preferred as materialized (
    select id
    from messages
    where next_attempt_at <= now() and not %(any_priority)s::boolean
    order by
        priority,
        next_attempt_at
    limit 1
    for update skip locked
),

oldest as materialized (
    select id
    from messages
    where next_attempt_at <= now() and %(any_priority)s::boolean
    order by next_attempt_at
    limit 1
    for update skip locked
),

due as (
    select id
    from preferred
    union all
    select id
    from oldest
)

update messages
set
    attempts = messages.attempts + 1,
    next_attempt_at = now() + make_interval(
        secs => least(%(pause_s)s::float8 * 2.0 ^ least(messages.attempts, 20), %(pause_max_s)s::float8)
    )
from due
where messages.id = due.id
returning
    messages.id,
    messages.kind,
    messages.order_id,
    messages.recipient,
    messages.locale,
    messages.message_id,
    messages.attempts,
    messages.created_at < now() - make_interval(hours => %(give_up_hours)s) as is_old;

-- name: find_reference
-- Find the reference of an order; no row: the order was purged.
select reference
from orders
where id = %(order_id)s;

-- name: find_occasion
-- Find the place and the local times of an order's event, and the local end of the order's hold.
select
    events.name,
    events.venue,
    events.address,
    events.time_zone,
    events.starts_at at time zone events.time_zone as starts_at,
    events.doors_at at time zone events.time_zone as doors_at,
    orders.expires_at at time zone events.time_zone as expires_at
from orders
inner join events on orders.event_id = events.id
where orders.id = %(order_id)s;

-- name: give_up_messages
-- Give up messages that a mail server was never there to accept. A leased message has its next attempt in the future.
-- Locks: the messages, FOR UPDATE SKIP LOCKED.
with old_messages as materialized (
    select id
    from messages
    where
        next_attempt_at <= now()
        and created_at < now() - make_interval(hours => %(give_up_hours)s)
    order by next_attempt_at
    limit %(limit)s
    for update skip locked
)

update messages
set
    status = 'dead',
    next_attempt_at = null,
    last_error = coalesce(last_error, 'the mail server was away')
where id in (
    select id
    from old_messages
);

-- name: mark_message
-- Store the outcome of an attempt. A message that stays queued keeps the time of its next attempt. A message whose lease
-- has passed to another worker keeps that worker's attempt, except that a sent message is sent.
update messages
set
    status = %(status)s,
    next_attempt_at = case when %(status)s::text = 'queued' then next_attempt_at end,
    sent_at = case when %(status)s::text = 'sent' then now() end,
    last_error = %(error)s
where id = %(id)s and status = 'queued' and (attempts = %(attempts)s or %(status)s::text = 'sent');

-- name: purge_messages
-- Purge messages that are older than a number of days, and return their ids. Messages about no order are deleted, and so are
-- requested messages about an order, except for the last one of each kind. Every other message only loses its address and
-- the server's response, so that no entry of the history is announced again.
-- Locks: the messages, FOR UPDATE SKIP LOCKED.
with old_messages as materialized (
    select
        id,
        kind,
        order_id,
        source_id
    from messages
    where
        recipient is not null
        and status <> 'queued'
        and created_at < now() - make_interval(days => %(days)s)
    order by created_at
    limit %(limit)s
    for update skip locked
),

deleted_messages as (
    delete from messages
    where
        id in (
            select old_messages.id
            from old_messages
            where
                old_messages.source_id is null
                and (
                    old_messages.order_id is null
                    or exists (
                        select 1
                        from messages as later
                        where
                            later.order_id = old_messages.order_id
                            and later.kind = old_messages.kind
                            and later.source_id is null
                            and later.id > old_messages.id
                    )
                )
        )
    returning id
),

erased_messages as (
    update messages
    set
        recipient = null,
        last_error = null
    where
        id in (
            select id
            from old_messages
        )
        and id not in (
            select id
            from deleted_messages
        )
    returning id
)

select id
from deleted_messages
union all
select id
from erased_messages;

-- name: find_undelivered
-- Find the address of an order if the last message about the order to that address reached nobody. A message that is no
-- longer true does not count, and a queued one may still arrive.
select orders.email as address
from orders
cross join
    lateral (
        select
            messages.recipient,
            messages.status
        from messages
        where messages.order_id = orders.id and messages.recipient is not null and messages.status <> 'skipped'
        order by messages.id desc
        limit 1
    ) as latest
where
    orders.id = %(order_id)s
    and lower(latest.recipient) = lower(orders.email)
    and latest.status in ('bounced', 'dead');

-- name: read_lag
-- Read the state of the outbox: the age in seconds of the oldest entry that the reader of the feed has not handled, the
-- time in seconds by which the most overdue message is late, and the number of messages that reached nobody and are not
-- purged.
select
    coalesce((
        select
            (
                select greatest(extract(epoch from now() - order_events.created_at), 0)::float8
                from order_events
                where (order_events.xact, order_events.id) > (feeds.xact, feeds.id)
                order by order_events.xact, order_events.id
                limit 1
            )
        from feeds
        where feeds.name = 'mail'
    ), 0) as feed_lag_seconds,
    coalesce((
        select greatest(extract(epoch from now() - min(next_attempt_at)), 0)::float8
        from messages
        where next_attempt_at is not null
    ), 0) as queue_lag_seconds,
    (
        select count(*)
        from messages
        where status in ('bounced', 'dead') and recipient is not null
    ) as failed;

-- name: read_priorities
-- Read for each priority the time in seconds by which its most overdue message is late, and the number of due messages.
-- The statement counts at most 10,000 of each, so that its time is bounded.
with due as (
    select
        classes.priority,
        classes.name,
        counted.next_attempt_at
    from (values (0, 'requested'), (1, 'single'), (2, 'bulk')) as classes (priority, name)
    left join
        lateral (
            select messages.next_attempt_at
            from messages
            where messages.priority = classes.priority and messages.next_attempt_at <= now()
            order by messages.next_attempt_at
            limit 10000
        ) as counted
        on true
)

select
    name,
    coalesce(extract(epoch from now() - min(next_attempt_at)), 0)::float8 as lag_seconds,
    count(next_attempt_at) as due
from due
group by
    priority,
    name
order by priority;
