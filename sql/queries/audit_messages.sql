-- name: find_unannounced_orders
-- The confirmation of every order with an address has a message after a minute; a worker must be running.
-- Entries from before the feed have no messages. An order that got its address after its confirmation has the message
-- that its buyer requested with that address.
select
    orders.id as order_id,
    orders.reference,
    order_events.id as event_id,
    order_events.created_at
from order_events
inner join orders on order_events.order_id = orders.id
left join messages
    on
        orders.id = messages.order_id
        and (messages.kind = 'confirmed' or (messages.kind in ('cancelled', 'event_cancelled') and messages.source_id is null))
where
    order_events.subject = 'order'
    and order_events.status = 'confirmed'
    and order_events.xact <> '0'
    and order_events.created_at < now() - interval '60 s'
    and orders.email is not null
    and messages.id is null
order by order_events.id;

-- name: find_unannounced_cancellations
-- The buyer of every confirmed order that its event has ended gets a message within a minute; a worker must be running.
-- Earlier releases announced a cancelled event like an order that its buyer has cancelled.
select
    orders.id as order_id,
    orders.reference,
    order_events.id as event_id,
    order_events.created_at
from order_events
inner join orders on order_events.order_id = orders.id
left join messages on orders.id = messages.order_id and messages.kind in ('event_cancelled', 'cancelled')
where
    order_events.subject = 'order'
    and order_events.previous = 'confirmed'
    and order_events.status = 'cancelled'
    and order_events.reason = 'the event was cancelled'
    and order_events.xact <> '0'
    and order_events.created_at < now() - interval '60 s'
    and orders.email is not null
    and messages.id is null
order by order_events.id;

-- name: find_unannounced_changes
-- An entry about a change of an event has a message after a minute, if its order has an address; a worker must be running.
-- An order that got its address after the entry has the message that its buyer requested with that address.
select
    orders.id as order_id,
    orders.reference,
    order_events.id as event_id,
    order_events.created_at
from order_events
inner join orders on order_events.order_id = orders.id
left join messages
    on
        orders.id = messages.order_id
        and (order_events.id = messages.source_id or messages.source_id is null)
where
    order_events.subject = 'event'
    and order_events.xact <> '0'
    and order_events.created_at < now() - interval '60 s'
    and orders.email is not null
    and messages.id is null
order by order_events.id;

-- name: find_repeated_changes
-- An order has one entry about a change of its event, so that its buyer gets one message.
select
    order_id,
    detail as change_id,
    count(*) as entries
from order_events
where subject = 'event'
group by order_id, detail
having count(*) > 1
order by order_id, detail;

-- name: find_misdirected_messages
-- A message and the entry that it announces belong to the same order.
select
    messages.id as message_id,
    messages.kind,
    messages.order_id,
    order_events.order_id as order_id_of_entry
from messages
inner join order_events on messages.source_id = order_events.id
where messages.order_id <> order_events.order_id
order by messages.id;
