-- name: find_standing
-- Find the standing tier of the benchmark's only event.
select
    events.id as event_id,
    tiers.id as tier_id,
    tiers.price_minor,
    events.currency
from tiers
inner join events on tiers.event_id = events.id
where not tiers.seated;

-- name: claim_first
-- Claim the first unlocked tickets, as the reference design does.
-- Under SERIALIZABLE concurrent claims almost always conflict, because all of them read the same head of the index.
-- Locks: the tickets that it returns, FOR UPDATE; does not wait.
select id
from tickets
where tier_id = %(tier_id)s and status = 'available'
order by id
limit %(quantity)s
for update skip locked;

-- name: insert_order
-- Insert an order of the reference design and return its id.
insert into orders (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency)
values (
    %(event_id)s, %(reference)s, %(user_id)s, %(digest)s, 'confirmed', %(quantity)s, %(total_minor)s, %(currency)s
)
returning id;

-- name: insert_bookings
-- Insert one booking per ticket, as the reference design does.
insert into bookings (order_id, line, ticket_id, tier_id, price_minor)
select
    %(order_id)s,
    ticket.line,
    ticket.id,
    %(tier_id)s,
    %(price_minor)s
from unnest(%(ticket_ids)s::bigint[]) with ordinality as ticket (id, line);

-- name: insert_payment
-- Insert a payment of the reference design.
insert into payments (order_id, status, amount_minor, currency)
values (%(order_id)s, 'captured', %(total_minor)s, %(currency)s);

-- name: sell_by_id
-- Mark claimed tickets as sold, as the reference design does.
-- Locks: only tickets that the claim has already locked.
update tickets
set status = 'sold'
where id = any(%(ticket_ids)s::bigint[]);

-- name: count_booked
-- Count confirmed orders and live bookings, for comparison with the acknowledged bookings.
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
