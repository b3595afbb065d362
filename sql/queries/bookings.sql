-- name: insert_bookings
-- Fails: bookings_live_ticket_key, when a ticket already has a live booking.
insert into bookings (id, order_id, line, ticket_id, tier_id, price_minor)
select
    unnest(%(ids)s::bigint[]),
    unnest(%(order_ids)s::bigint[]),
    unnest(%(lines)s::smallint[]),
    unnest(%(ticket_ids)s::bigint[]),
    unnest(%(tier_ids)s::integer[]),
    unnest(%(prices_minor)s::bigint[]);

-- name: find_bookings
-- The bookings of these orders, with their tickets.
select
    bookings.id,
    bookings.order_id,
    bookings.line,
    bookings.ticket_id,
    tiers.name as tier,
    bookings.price_minor,
    tickets.row_label,
    tickets.seat_number,
    bookings.created_at
from bookings
inner join tickets on bookings.ticket_id = tickets.id
inner join tiers on bookings.tier_id = tiers.id
where bookings.order_id = any(%(order_ids)s::bigint[])
order by bookings.order_id, bookings.line;
