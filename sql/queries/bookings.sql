-- name: insert_bookings
-- Insert the bookings of new orders.
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
-- Find the bookings of orders, with their tickets.
select
    bookings.id,
    bookings.order_id,
    bookings.line,
    bookings.ticket_id,
    tiers.name as tier,
    bookings.price_minor,
    tickets.row_label,
    tickets.seat_number,
    bookings.created_at,
    case bookings.released_reason when 'returned' then bookings.released_at end as returned_at
from bookings
inner join tickets on bookings.ticket_id = tickets.id
inner join tiers on bookings.tier_id = tiers.id
where bookings.order_id = any(%(order_ids)s::bigint[])
order by bookings.order_id, bookings.line;

-- name: release_bookings
-- Release the live bookings of orders that have ended, and put their tickets back on sale. The tickets of a cancelled event
-- are withdrawn.
-- Locks: the bookings and their tickets; the caller has locked the orders.
with released as (
    update bookings
    set
        released_at = greatest(now(), bookings.created_at),
        released_reason = ended.status
    from unnest(%(order_ids)s::bigint[], %(statuses)s::text[]) as ended (order_id, status)
    where bookings.order_id = ended.order_id and bookings.released_at is null
    returning bookings.ticket_id
)

update tickets
set
    status = case
        when exists (
            select 1
            from events
            where events.id = tickets.event_id and events.cancelled_at is not null
        ) then 'withdrawn'
        else 'available'
    end,
    held_until = null
where id in (
    select ticket_id
    from released
);

-- name: list_lines
-- List the live and the ended bookings of an order, in the order of their lines.
-- Isolation: read committed; the caller has locked the order.
select
    id,
    price_minor,
    released_at is null as live
from bookings
where order_id = %(order_id)s
order by line;

-- name: return_bookings
-- Release single bookings of a confirmed order, and put their tickets back on sale. The tickets of a cancelled event are
-- withdrawn.
-- Locks: the bookings and their tickets; the caller has locked the order.
with released as (
    update bookings
    set
        released_at = greatest(now(), created_at),
        released_reason = 'returned',
        refund_id = case when price_minor > 0 then %(refund_id)s::bigint end
    where id = any(%(ids)s::bigint[]) and released_at is null
    returning ticket_id
)

update tickets
set
    status = case
        when exists (
            select 1
            from events
            where events.id = tickets.event_id and events.cancelled_at is not null
        ) then 'withdrawn'
        else 'available'
    end,
    held_until = null
where id in (
    select ticket_id
    from released
);

-- name: reclaim_bookings
-- Make the released bookings of expired orders live again; the caller has locked their tickets and sells them. An order
-- that expired was never paid, so that none of its tickets was returned.
-- Fails: bookings_live_ticket_key, when a ticket has another live booking.
update bookings
set
    released_at = null,
    released_reason = null
where order_id = any(%(order_ids)s::bigint[]);

-- name: find_scanned_ticket
-- Find the holder, the event and the validity of a ticket by its booking's id.
select
    orders.reference,
    bookings.line,
    orders.status,
    orders.user_id,
    events.slug,
    events.name as event,
    tiers.name as tier,
    tickets.row_label,
    tickets.seat_number,
    rules.takes_place,
    admission.admits as event_valid,
    coalesce(bookings.released_reason = 'returned', false) as returned,
    events.starts_at at time zone events.time_zone as starts_at,
    orders.status = 'confirmed' and bookings.released_at is null and admission.admits as valid
from bookings
inner join orders on bookings.order_id = orders.id
inner join events on orders.event_id = events.id
inner join tiers on bookings.tier_id = tiers.id
inner join tickets on bookings.ticket_id = tickets.id
cross join
    lateral event_rules(
        events.sales_start_at, events.sales_end_at, events.starts_at, events.ends_at, events.cancelled_at, now()
    ) as rules
cross join
    lateral event_admits(
        events.starts_at, events.ends_at, events.cancelled_at, now(), %(admission_hours)s::integer
    ) as admission (admits)
where bookings.id = %(booking_id)s;

-- name: book_batch
-- Sell, hold or decline the orders of a batch in one call.
-- An order with a cause was left out, and the call has not touched it. The lines of an order are its tickets.
-- Locks: an advisory lock for each reference and share, and the claimed tickets, FOR UPDATE, all without waiting; then the
-- rows of the buyers' limits and the keys of the references, both in the order of their bytes; waits.
-- Fails: orders_reference_key, when a reference has an order. The batch then takes the careful path.
select
    ticket_ids,
    created_at,
    causes,
    order_ids,
    booking_ids,
    spent_shares
from
    book_batch(
        %(tier_ids)s,
        %(tier_event_ids)s,
        %(tier_revisions)s,
        %(tier_updated_at)s,
        %(tier_starts)s,
        %(tier_claims)s,
        %(tier_share_widths)s,
        %(tier_share_counts)s,
        %(shares)s,
        %(order_references)s,
        %(order_event_ids)s,
        %(order_user_ids)s,
        %(order_buyers)s,
        %(order_digests)s,
        %(order_quantities)s,
        %(order_totals)s,
        %(order_currencies)s,
        %(order_payments)s,
        %(order_hold_seconds)s,
        %(order_clients)s,
        %(order_access_digests)s,
        %(order_accounts)s,
        %(order_emails)s,
        %(order_locales)s,
        %(line_orders)s,
        %(line_numbers)s,
        %(line_tiers)s,
        %(line_prices)s,
        %(line_places)s,
        %(ticket_ids)s,
        %(ticket_ctids)s,
        %(hold_lengths)s,
        %(bookings_per_minute)s,
        %(check_after_ms)s
    );
