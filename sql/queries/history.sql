-- name: list_order
-- What happened to the order of a reference, in order.
select
    order_events.created_at as at,
    orders.reference,
    orders.user_id,
    order_events.subject,
    order_events.previous,
    order_events.status,
    order_events.reason
from orders
inner join order_events on orders.id = order_events.order_id
where orders.reference = %(reference)s
order by order_events.id;

-- name: list_ticket
-- What happened to the orders that held or bought a ticket, in order. Bookings have no index of all that a ticket
-- ever had, for the sake of the sale: this reads them all, and is asked seldom.
select
    order_events.created_at as at,
    orders.reference,
    orders.user_id,
    order_events.subject,
    order_events.previous,
    order_events.status,
    order_events.reason
from bookings
inner join orders on bookings.order_id = orders.id
inner join order_events on orders.id = order_events.order_id
where bookings.ticket_id = %(ticket_id)s
order by order_events.id;

-- name: find_holder
-- Whose a ticket was at a time: the order that then waited for its payment or was confirmed. No row: it was free.
-- Released_at would not do: a hold that ran out and was taken up again by a late payment left the ticket to others
-- in between.
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
where bookings.ticket_id = %(ticket_id)s and state_then.status in ('pending', 'confirmed')
order by state_then.created_at desc;
