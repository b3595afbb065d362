-- name: list_order
-- List the history of an order, oldest entry first.
select
    order_events.created_at as at,
    orders.reference,
    orders.user_id,
    order_events.subject,
    order_events.detail,
    order_events.previous,
    order_events.status,
    order_events.reason
from orders
inner join order_events on orders.id = order_events.order_id
where orders.reference = %(reference)s
order by order_events.id;

-- name: list_ticket
-- List the history of every order that held or bought a ticket, oldest entry first.
-- The query scans all bookings. An index over released bookings would slow down every sale for a rare query.
select
    order_events.created_at as at,
    orders.reference,
    orders.user_id,
    order_events.subject,
    order_events.detail,
    order_events.previous,
    order_events.status,
    order_events.reason
from bookings
inner join orders on bookings.order_id = orders.id
inner join order_events on orders.id = order_events.order_id
where
    bookings.ticket_id = %(ticket_id)s
    and (order_events.subject <> 'line' or order_events.detail = bookings.id)
order by order_events.id;

-- name: ticket_exists
-- Return true if a ticket has this id.
select exists(
    select from tickets
    where tickets.id = %(ticket_id)s
);

-- name: find_holder
-- Find the order that held or owned a ticket at a given time. The result is empty if the ticket was available.
-- The query reads the history, because released_at is not enough. A late payment can reclaim an expired hold, and
-- another order may have held the ticket in between. A ticket that was returned by itself has an entry of its line.
select
    orders.reference,
    orders.user_id,
    state_then.status,
    state_then.created_at as since
from bookings
inner join orders on bookings.order_id = orders.id
cross join
    lateral (
        select
            order_events.status,
            order_events.created_at
        from order_events
        where
            order_events.order_id = orders.id
            and order_events.subject = 'order'
            and order_events.created_at <= %(at)s
        order by order_events.id desc
        limit 1
    ) as state_then
where
    bookings.ticket_id = %(ticket_id)s
    and state_then.status in ('pending', 'confirmed')
    and not exists (
        select 1
        from order_events
        where
            order_events.order_id = orders.id
            and order_events.subject = 'line'
            and order_events.detail = bookings.id
            and order_events.created_at <= %(at)s
    )
order by state_then.created_at desc;
