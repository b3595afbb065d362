-- name: find_double_bookings
-- No ticket has two live bookings.
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
-- A ticket is sold if and only if a confirmed order has it, and held if and only if a pending order has it.
with owners as (
    select
        bookings.id as booking_id,
        bookings.ticket_id,
        orders.status as order_status
    from bookings
    left join orders on bookings.order_id = orders.id
    where bookings.released_at is null
)

select
    tickets.id as ticket_id,
    tickets.status,
    owners.booking_id,
    owners.order_status
from tickets
left join owners on tickets.id = owners.ticket_id
where
    (tickets.status = 'sold') <> coalesce(owners.order_status = 'confirmed', false)
    or (tickets.status = 'held') <> coalesce(owners.order_status = 'pending', false)
order by tickets.id, owners.booking_id;

-- name: find_wrong_hold_ends
-- A held ticket's hold ends when its order expires.
select
    tickets.id as ticket_id,
    tickets.held_until,
    orders.reference,
    orders.expires_at
from tickets
inner join bookings on tickets.id = bookings.ticket_id and bookings.released_at is null
inner join orders on bookings.order_id = orders.id
where tickets.status = 'held' and orders.status = 'pending' and tickets.held_until <> orders.expires_at
order by tickets.id, orders.id;

-- name: find_overdue_holds
-- No ticket is held for more than 2 s past the end of its hold; a worker must be running.
select
    id as ticket_id,
    held_until,
    now() as checked_at
from tickets
where status = 'held' and held_until < now() - interval '2 s'
order by id;

-- name: find_unbalanced_tiers
-- The available, held, sold and withdrawn tickets of a tier add up to its capacity.
with counts as (
    select
        tier_id,
        count(*) as tickets,
        count(*) filter (where status = 'available') as available,
        count(*) filter (where status = 'held') as held,
        count(*) filter (where status = 'sold') as sold,
        count(*) filter (where status = 'withdrawn') as withdrawn
    from tickets
    group by tier_id
)

select
    tiers.id as tier_id,
    tiers.name as tier,
    tiers.capacity,
    coalesce(counts.tickets, 0) as tickets,
    coalesce(counts.available, 0) as available,
    coalesce(counts.held, 0) as held,
    coalesce(counts.sold, 0) as sold,
    coalesce(counts.withdrawn, 0) as withdrawn
from tiers
left join counts on tiers.id = counts.tier_id
where
    counts.tier_id is null
    or tiers.capacity <> counts.tickets
    or counts.tickets <> counts.available + counts.held + counts.sold + counts.withdrawn
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
-- A ticket's position is within its tier, and a ticket has a seat if and only if its tier is seated.
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
-- No two tickets of a tier share a position.
select
    tier_id,
    position,
    array_agg(id order by id) as ticket_ids
from tickets
group by tier_id, position
having count(*) > 1
order by tier_id, position;

-- name: find_shared_seats
-- No two tickets of a tier share a row and a seat number.
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
-- Two seats have consecutive positions if and only if they are adjacent in the same row.
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
-- A booking's ticket belongs to the booking's tier and to the order's event.
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
-- The bookings of an order are numbered 1 to n without gaps or duplicates.
select
    order_id,
    array_agg(line order by line) as lines
from bookings
group by order_id
having min(line) <> 1 or max(line) <> count(*) or count(distinct line) <> count(*)
order by order_id;

-- name: find_incomplete_orders
-- A pending order has as many live bookings as its quantity; any ended order has none.
-- A confirmed order has at least one live booking, and its other bookings were returned.
with counts as (
    select
        orders.id as order_id,
        count(*) filter (where bookings.id is not null and bookings.released_at is null) as live,
        count(*) filter (where bookings.released_reason = 'returned') as returned
    from orders
    left join bookings on orders.id = bookings.order_id
    group by orders.id
)

select
    orders.id as order_id,
    orders.reference,
    orders.status,
    orders.quantity,
    counts.live as live_bookings,
    counts.returned as returned_bookings
from orders
inner join counts on orders.id = counts.order_id
where
    case orders.status
        when 'pending' then counts.live <> orders.quantity
        when 'confirmed' then counts.live = 0 or counts.live + counts.returned <> orders.quantity
        else counts.live > 0
    end
order by orders.id;

-- name: find_lost_bookings
-- An order keeps a booking per ticket, live or released; an order declined within its request has none.
select
    orders.id as order_id,
    orders.reference,
    orders.status,
    orders.quantity,
    count(bookings.id) as bookings
from orders
left join bookings on orders.id = bookings.order_id
group by orders.id, orders.reference, orders.status, orders.quantity, orders.expires_at
having
    count(bookings.id)
    <> case when orders.status = 'declined' and orders.expires_at is null then 0 else orders.quantity end
order by orders.id;

-- name: find_wrong_totals
-- An order's total is the sum of its bookings' prices.
-- The join leaves out orders declined within their request, the only ones without bookings.
select
    orders.id as order_id,
    orders.reference,
    orders.total_minor,
    sum(bookings.price_minor) as prices_minor
from orders
inner join bookings on orders.id = bookings.order_id
group by orders.id, orders.reference, orders.total_minor
having sum(bookings.price_minor) <> orders.total_minor
order by orders.id;

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
-- No two orders share a reference.
select
    reference,
    array_agg(id order by id) as order_ids
from orders
group by reference
having count(*) > 1
order by reference;

-- name: find_unpaid_orders
-- Every order has exactly one payment, with the order's total and currency.
select
    orders.id as order_id,
    orders.reference,
    orders.total_minor,
    orders.currency,
    array_agg(payments.amount_minor || ' ' || payments.currency) filter (where payments.id is not null) as payments
from orders
left join payments on orders.id = payments.order_id
group by orders.id, orders.reference, orders.total_minor, orders.currency
having
    count(payments.id) <> 1
    or min(payments.amount_minor) <> orders.total_minor
    or min(payments.currency) <> orders.currency
order by orders.id;

-- name: find_wrong_payments
-- An order and its payment are in states that go together.
-- The payment is captured if and only if the order is confirmed. A pending order has a pending payment. The payment of a
-- declined order is declined, or was captured after all and is refunded. The payment of an expired or cancelled order may
-- still be pending and is refunded once captured.
select
    orders.id as order_id,
    orders.reference,
    orders.status,
    payments.status as payment
from orders
inner join payments on orders.id = payments.order_id
where
    case orders.status
        when 'confirmed' then payments.status <> 'captured'
        when 'pending' then payments.status <> 'pending'
        when 'declined' then payments.status <> all('{declined,refunding,refunded}')
        else payments.status = 'captured'
    end
order by orders.id, payments.id;

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

-- name: find_exceeded_limits
-- A buyer has at most as many tickets of an event, and of each tier, as the limits per buyer allow.
-- A guard has the revision of the event under which its buyer's last order fitted. After a change of the event, such as
-- a lower limit, the buyers of earlier orders may have more tickets.
with taken as (
    select
        orders.event_id,
        orders.limit_key,
        bookings.tier_id,
        count(*) as tickets
    from orders
    inner join bookings on orders.id = bookings.order_id
    where orders.limit_key is not null and bookings.released_at is null
    group by
        grouping sets ((orders.event_id, orders.limit_key), (orders.event_id, orders.limit_key, bookings.tier_id))
),

limited as (
    select
        taken.event_id,
        taken.limit_key,
        taken.tier_id,
        taken.tickets,
        case when taken.tier_id is null then events.tickets_per_buyer else tiers.tickets_per_buyer end as tickets_max
    from taken
    inner join buyer_guards on taken.event_id = buyer_guards.event_id and taken.limit_key = buyer_guards.limit_key
    inner join events on taken.event_id = events.id and buyer_guards.revision = events.revision
    left join tiers on taken.tier_id = tiers.id
)

select
    event_id,
    limit_key,
    tier_id,
    tickets,
    tickets_max
from limited
where tickets > tickets_max
order by event_id, limit_key, tier_id;

-- name: find_missing_keys
-- The unique indexes that enforce the invariants exist and are valid.
select promised.key
from
    unnest(array[
        'accounts_email_key',
        'booking_limits_pkey',
        'bookings_live_ticket_key',
        'bookings_order_line_key',
        'buyer_guards_pkey',
        'checkouts_pkey',
        'checkouts_provider_id_key',
        'grants_live_key',
        'messages_source_key',
        'orders_reference_key',
        'passkeys_credential_id_key',
        'payments_order_key',
        'refunds_key_key',
        'refunds_provider_id_key',
        'tickets_tier_position_key',
        'webhooks_pkey'
    ]) as promised (key)
left join pg_index
    on to_regclass(promised.key) = pg_index.indexrelid and pg_index.indisunique and pg_index.indisvalid
where pg_index.indexrelid is null
order by promised.key;
