-- name: find_double_bookings
-- One ticket, one buyer: no ticket has two live bookings.
select
    ticket_id,
    count(*) as live_bookings,
    array_agg(order_id order by order_id) as order_ids
from bookings
where released_at is null
group by ticket_id
having count(*) > 1
order by ticket_id;

-- name: find_wrong_statuses
-- A ticket is sold exactly if it has a live booking.
select
    tickets.id as ticket_id,
    tickets.status,
    bookings.id as booking_id
from tickets
left join bookings on tickets.id = bookings.ticket_id and bookings.released_at is null
where (tickets.status = 'sold') <> (bookings.id is not null)
order by tickets.id, bookings.id;

-- name: find_unbalanced_tiers
-- Nothing is lost: the available and the sold tickets of a tier are all its tickets, as many as its capacity.
with counts as (
    select
        tier_id,
        count(*) as tickets,
        count(*) filter (where status = 'available') as available,
        count(*) filter (where status = 'sold') as sold
    from tickets
    group by tier_id
)

select
    tiers.id as tier_id,
    tiers.name as tier,
    tiers.capacity,
    coalesce(counts.tickets, 0) as tickets,
    coalesce(counts.available, 0) as available,
    coalesce(counts.sold, 0) as sold
from tiers
left join counts on tiers.id = counts.tier_id
where
    counts.tier_id is null
    or tiers.capacity <> counts.tickets
    or counts.tickets <> counts.available + counts.sold
order by tiers.id;

-- name: find_stray_tickets
-- Every ticket belongs to a tier of its own event.
select
    tickets.id as ticket_id,
    tickets.event_id,
    tickets.tier_id,
    tiers.event_id as event_id_of_tier
from tickets
left join tiers on tickets.tier_id = tiers.id
where tickets.event_id is distinct from tiers.event_id
order by tickets.id;

-- name: find_misplaced_tickets
-- A ticket's position is one of its tier's, and it has a seat exactly if the tier has seats.
select
    tickets.id as ticket_id,
    tickets.tier_id,
    tickets.position,
    tiers.last_position,
    tiers.seated,
    tickets.row_label,
    tickets.seat_number
from tickets
inner join tiers on tickets.tier_id = tiers.id
where
    tickets.position not between 1 and tiers.last_position
    or tiers.seated <> (tickets.row_label is not null and tickets.seat_number is not null)
order by tickets.id;

-- name: find_shared_positions
-- No place exists twice: a position of a tier is one ticket's.
select
    tier_id,
    position,
    array_agg(id order by id) as ticket_ids
from tickets
group by tier_id, position
having count(*) > 1
order by tier_id, position;

-- name: find_shared_seats
-- No seat exists twice: a row and a number of a tier are one ticket's.
select
    tier_id,
    row_label,
    seat_number,
    array_agg(id order by id) as ticket_ids
from tickets
where row_label is not null
group by tier_id, row_label, seat_number
having count(*) > 1
order by tier_id, row_label, seat_number;

-- name: find_broken_rows
-- Seats side by side have consecutive positions, and no other seats have.
select
    seat.tier_id,
    seat.id as ticket_id,
    seat.position,
    seat.row_label,
    seat.seat_number,
    seat.position_before,
    seat.row_before,
    seat.seat_before
from (
    select
        id,
        tier_id,
        position,
        row_label,
        seat_number,
        lag(position) over in_order as position_before,
        lag(row_label) over in_order as row_before,
        lag(seat_number) over in_order as seat_before
    from tickets
    where row_label is not null
    window in_order as (partition by tier_id order by position)
) as seat
where
    (seat.position = seat.position_before + 1)
    <> (seat.row_label = seat.row_before and seat.seat_number = seat.seat_before + 1)
order by seat.tier_id, seat.position;

-- name: find_bookings_without_order
-- Every booking has its order.
select
    bookings.id as booking_id,
    bookings.order_id,
    bookings.ticket_id
from bookings
left join orders on bookings.order_id = orders.id
where orders.id is null
order by bookings.id;

-- name: find_bookings_without_ticket
-- Every booking has its ticket.
select
    bookings.id as booking_id,
    bookings.order_id,
    bookings.ticket_id
from bookings
left join tickets on bookings.ticket_id = tickets.id
where tickets.id is null
order by bookings.id;

-- name: find_misplaced_bookings
-- A booking's ticket is of the booking's tier and of the order's event.
select
    bookings.id as booking_id,
    bookings.ticket_id,
    bookings.tier_id,
    tickets.tier_id as tier_id_of_ticket,
    orders.event_id,
    tickets.event_id as event_id_of_ticket
from bookings
inner join tickets on bookings.ticket_id = tickets.id
inner join orders on bookings.order_id = orders.id
where bookings.tier_id <> tickets.tier_id or orders.event_id <> tickets.event_id
order by bookings.id;

-- name: find_broken_lines
-- The bookings of an order are its lines 1 to n, each once.
select
    order_id,
    array_agg(line order by line) as lines
from bookings
group by order_id
having min(line) <> 1 or max(line) <> count(*) or count(distinct line) <> count(*)
order by order_id;

-- name: find_incomplete_orders
-- A confirmed order has exactly as many live bookings as its quantity.
select
    orders.id as order_id,
    orders.reference,
    orders.quantity,
    count(bookings.id) as live_bookings
from orders
left join bookings on orders.id = bookings.order_id and bookings.released_at is null
where orders.status = 'confirmed'
group by orders.id, orders.reference, orders.quantity
having count(bookings.id) <> orders.quantity
order by orders.id;

-- name: find_wrong_totals
-- A confirmed order's total is the sum of its bookings' prices.
select
    orders.id as order_id,
    orders.reference,
    orders.total_minor,
    coalesce(sum(bookings.price_minor), 0) as prices_minor
from orders
left join bookings on orders.id = bookings.order_id
where orders.status = 'confirmed'
group by orders.id, orders.reference, orders.total_minor
having coalesce(sum(bookings.price_minor), 0) <> orders.total_minor
order by orders.id;

-- name: find_unconfirmed_bookings
-- Only a confirmed order has bookings.
select
    orders.id as order_id,
    orders.reference,
    orders.status,
    bookings.id as booking_id,
    bookings.ticket_id
from orders
inner join bookings on orders.id = bookings.order_id
where orders.status <> 'confirmed'
order by orders.id, bookings.id;

-- name: find_orders_without_event
-- Every order has its event.
select
    orders.id as order_id,
    orders.reference,
    orders.event_id
from orders
left join events on orders.event_id = events.id
where events.id is null
order by orders.id;

-- name: find_double_references
-- One key, one order: no reference has two orders.
select
    reference,
    array_agg(id order by id) as order_ids
from orders
group by reference
having count(*) > 1
order by reference;

-- name: find_unpaid_orders
-- A confirmed order has exactly one captured payment, of its total and in its currency.
select
    orders.id as order_id,
    orders.reference,
    orders.total_minor,
    orders.currency,
    array_agg(payments.amount_minor || ' ' || payments.currency) filter (where payments.id is not null) as captured
from orders
left join payments on orders.id = payments.order_id and payments.status = 'captured'
where orders.status = 'confirmed'
group by orders.id, orders.reference, orders.total_minor, orders.currency
having
    count(payments.id) <> 1
    or min(payments.amount_minor) <> orders.total_minor
    or min(payments.currency) <> orders.currency
order by orders.id;

-- name: find_charged_declines
-- An order that is not confirmed has exactly one payment, and that was declined.
select
    orders.id as order_id,
    orders.reference,
    array_agg(payments.status) filter (where payments.id is not null) as payments
from orders
left join payments on orders.id = payments.order_id
where orders.status <> 'confirmed'
group by orders.id, orders.reference
having count(payments.id) <> 1 or min(payments.status) <> 'declined'
order by orders.id;

-- name: find_payments_without_order
-- Every payment has its order.
select
    payments.id as payment_id,
    payments.order_id,
    payments.status,
    payments.amount_minor,
    payments.currency
from payments
left join orders on payments.order_id = orders.id
where orders.id is null
order by payments.id;

-- name: find_missing_keys
-- The unique indexes by which the database itself refuses a broken promise are there and valid.
select promised.key
from
    unnest(array[
        'bookings_live_ticket_key',
        'bookings_order_line_key',
        'orders_reference_key',
        'payments_order_key',
        'tickets_tier_position_key'
    ]) as promised (key)
left join pg_index
    on to_regclass(promised.key) = pg_index.indexrelid and pg_index.indisunique and pg_index.indisvalid
where pg_index.indexrelid is null
order by promised.key;
