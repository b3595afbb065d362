-- name: list_undelivered
-- List orders whose last message to their present address reached nobody, by the id of that message, after a cursor. Null
-- parameters select all orders. A message that is no longer true does not count, and a queued one may still arrive.
select
    messages.id,
    messages.order_id,
    events.slug as event,
    messages.recipient,
    messages.kind,
    messages.status,
    messages.created_at,
    messages.last_error
from messages
inner join orders on messages.order_id = orders.id
inner join events on orders.event_id = events.id
where
    messages.status in ('bounced', 'dead')
    and messages.recipient is not null
    and messages.id > %(after)s
    and lower(messages.recipient) = lower(orders.email)
    and (%(event)s::text is null or events.slug = %(event)s::text)
    and (
        %(search)s::text is null
        or orders.reference = %(search)s::text
        or orders.id = %(order_id)s::bigint
    )
    and not exists (
        select 1
        from messages as later
        where
            later.order_id = messages.order_id
            and later.id > messages.id
            and later.recipient is not null
            and later.status <> 'skipped'
    )
order by messages.id
limit %(limit)s;

-- name: lock_resending
-- Let those who send messages again follow each other, so that each message is sent again once.
-- Locks: an advisory lock of the transaction; waits.
select pg_advisory_xact_lock(hashtextextended('resend', 20261201));

-- name: insert_again
-- Queue messages again that reached nobody, after all messages about one order. A change of an event is announced by the
-- confirmation, which has the present details.
insert into messages (kind, priority, order_id, recipient, locale, message_id, next_attempt_at)
select
    case messages.kind when 'event_changed' then 'confirmed' else messages.kind end,
    2,
    messages.order_id,
    messages.recipient,
    messages.locale,
    '<' || gen_random_uuid() || '@' || %(domain)s::text || '>',
    now()
from messages
where messages.id = any(%(ids)s::bigint[]) and messages.recipient is not null
order by messages.id;
