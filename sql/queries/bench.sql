-- name: find_standing
-- The standing tier of the benchmark's only event.
select
    events.id as event_id,
    tiers.id as tier_id,
    tiers.price_minor,
    events.currency
from tiers
inner join events on tiers.event_id = events.id
where not tiers.seated;

-- name: claim_first
-- The reference design's claim: the first tickets that nobody has locked.
-- Under SERIALIZABLE concurrent claims conflict nearly always: all have read the same head of the index.
-- Locks: the tickets that it returns, FOR UPDATE; waits for none.
select id
from tickets
where tier_id = %(tier_id)s and status = 'available'
order by id
limit %(quantity)s
for update skip locked;

-- name: insert_order
-- The reference design's order; returns its id.
insert into orders (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency)
values (
    %(event_id)s, %(reference)s, %(user_id)s, %(digest)s, 'confirmed', %(quantity)s, %(total_minor)s, %(currency)s
)
returning id;

-- name: insert_bookings
-- The reference design's bookings, one for each ticket.
insert into bookings (order_id, line, ticket_id, tier_id, price_minor)
select
    %(order_id)s,
    ticket.line,
    ticket.id,
    %(tier_id)s,
    %(price_minor)s
from unnest(%(ticket_ids)s::bigint[]) with ordinality as ticket (id, line);

-- name: insert_payment
-- The reference design's payment.
insert into payments (order_id, status, amount_minor, currency)
values (%(order_id)s, 'captured', %(total_minor)s, %(currency)s);

-- name: sell_by_id
-- The reference design's mark on the tickets that it has claimed.
-- Locks: none that the claim has not taken.
update tickets
set status = 'sold'
where id = any(%(ticket_ids)s::bigint[]);

-- name: count_booked
-- What the database holds of confirmed orders and live bookings, to compare with what was acknowledged.
select
    (
        select count(*)
        from orders
        where status = 'confirmed'
    ) as orders,
    (
        select count(*)
        from bookings
        where released_at is null
    ) as tickets;
