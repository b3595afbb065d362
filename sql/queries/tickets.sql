-- name: insert_seated_tickets
-- All tickets of a tier with seats: seats side by side have consecutive positions, and between two rows one
-- position is left out, so that neighbours are consecutive positions and nothing else is.
insert into tickets (event_id, tier_id, position, row_label, seat_number)
select
    %(event_id)s,
    %(tier_id)s,
    (seat_row.number - 1) * (%(seats_per_row)s + 1) + seat.number,
    seat_row.label,
    seat.number
from unnest(%(row_labels)s::text[]) with ordinality as seat_row (label, number)
cross join generate_series(1, %(seats_per_row)s) as seat (number)
where (seat_row.number - 1) * %(seats_per_row)s + seat.number <= %(capacity)s
order by seat_row.number, seat.number;

-- name: insert_standing_tickets
-- All tickets of a standing tier.
insert into tickets (event_id, tier_id, position)
select
    %(event_id)s,
    %(tier_id)s,
    n
from generate_series(1, %(capacity)s) as n;

-- name: list_available
-- A page of the tickets that can be bought, by id: those of an event above an id, in all tiers or in one.
-- The event is given as a range of one, and is in the order, for the planner to walk the index of what is
-- available: with an equality it would walk the primary key, past every sold ticket and other events'.
-- The tier is given by a subquery: behind a join the planner would rather sort all that is left for each page.
with event as (
    select id
    from events
    where slug = %(event)s
),

wanted_tier as (
    select id
    from tiers
    where event_id = (select event.id from event) and name = %(tier)s
)

select
    tickets.id,
    tiers.name as tier,
    tiers.price_minor,
    events.currency,
    tickets.row_label,
    tickets.seat_number
from tickets
inner join tiers on tickets.tier_id = tiers.id
inner join events on tiers.event_id = events.id
where
    (tickets.event_id, tickets.id) > ((select event.id from event), %(after)s)
    and tickets.event_id <= (select event.id from event)
    and (%(tier)s::text is null or tickets.tier_id = (select wanted_tier.id from wanted_tier))
    and tickets.status = 'available'
order by tickets.event_id, tickets.id
limit %(limit)s;

-- name: claim_standing
-- Claims any tickets of a tier, from a random start position onwards and then, since the last tickets must be
-- found too, from the beginning up to it. Fewer rows than asked: the others are sold, or locked by someone.
-- The random start spreads concurrent claims: rows that SKIP LOCKED skips are still predicate-locked, and when
-- all claims scan the same head of the index, SERIALIZABLE aborts nearly all of them.
-- Ordered by position and not by id: the planner would walk the primary key past every sold ticket.
-- Locks: the tickets that it returns, FOR UPDATE; waits for none.
with locked_after as materialized (
    select
        id,
        position,
        ctid
    from tickets
    where tier_id = %(tier_id)s and status = 'available' and position >= %(start)s
    order by position
    limit %(quantity)s
    for update skip locked
),

locked_before as materialized (
    select
        id,
        position,
        ctid
    from tickets
    where tier_id = %(tier_id)s and status = 'available' and position < %(start)s
    order by position
    limit
        %(quantity)s - (
            select count(*)
            from locked_after
        )
    for update skip locked
)

select
    id,
    position,
    ctid::text as ctid
from locked_after
union all
select
    id,
    position,
    ctid::text as ctid
from locked_before;

-- name: find_free_seats
-- Seats of a tier that look free, from a random start position onwards and then from the beginning, for the
-- service to choose neighbours from; lock_tickets then claims the choice.
-- Isolation: read committed, outside the booking transaction: it looks at more seats than it will take, and
-- SERIALIZABLE would abort whoever else takes one of them.
-- Locks: none.
(
    select
        id,
        position,
        row_label,
        seat_number,
        ctid::text as ctid
    from tickets
    where tier_id = %(tier_id)s and status = 'available' and position >= %(start)s
    order by position
    limit %(limit)s
)
union all
(
    select
        id,
        position,
        row_label,
        seat_number,
        ctid::text as ctid
    from tickets
    where tier_id = %(tier_id)s and status = 'available' and position < %(start)s
    order by position
    limit %(limit)s
)
limit %(limit)s;

-- name: find_tickets
-- These tickets, whatever their state; lock_tickets then claims them.
-- Isolation: read committed, outside the booking transaction, as find_free_seats.
-- Locks: none.
select
    id,
    tier_id,
    position,
    row_label,
    seat_number,
    status,
    ctid::text as ctid
from tickets
where id = any(%(ids)s::bigint[]);

-- name: lock_tickets
-- Claims tickets where they were seen. One that is missing from the answer has moved since, which only a change
-- of its state does, or is locked by someone; its place may by now be another ticket's, so the caller compares
-- the ids, and looks at the status.
-- By place and not by id: a search of the primary key predicate-locks its pages, and every sale adds to them.
-- Without a condition on the status: it would let the planner read the whole index of available tickets.
-- Locks: the tickets that it returns, FOR UPDATE; waits for none.
select
    id,
    ctid::text as ctid,
    status
from tickets
where ctid = any(%(ctids)s::text[]::tid[])
for update skip locked;

-- name: count_left
-- What is left of tiers, as committed: a ticket that an unfinished transaction has locked counts as it was. What
-- is held may come back; the first of it in so many seconds.
-- Isolation: read committed, after the booking transaction: it reads more tickets than it will take.
select
    tiers.id as tier_id,
    available_tickets.available,
    held_tickets.held,
    extract(epoch from held_tickets.first_until - now())::double precision as back_in_s
from tiers
cross join
    lateral (
        select count(*) as available
        from tickets
        where tickets.tier_id = tiers.id and tickets.status = 'available'
    ) as available_tickets
cross join
    lateral (
        select
            count(*) as held,
            min(tickets.held_until) as first_until
        from tickets
        where tickets.tier_id = tiers.id and tickets.status = 'held'
    ) as held_tickets
where tiers.id = any(%(tier_ids)s::integer[]);

-- name: take_tickets
-- Marks claimed tickets as sold, or as held until a time. Fewer rows than asked would mean that the claim did not
-- hold.
-- By place, which cannot change while the ticket is locked, for the reasons given at lock_tickets; and by an
-- array, not by a join with the claim: with an estimate gone wrong that is a hash join over all tickets.
-- Locks: none that the claim has not taken.
update tickets
set
    status = case when %(held_until)s::timestamptz is null then 'sold' else 'held' end,
    held_until = %(held_until)s
where ctid = any(%(ctids)s::text[]::tid[]);

-- name: sell_held
-- Marks the tickets that these orders hold, or have taken again, as sold.
-- Locks: the tickets; the caller has locked the orders.
update tickets
set
    status = 'sold',
    held_until = null
where id in (
    select ticket_id
    from bookings
    where order_id = any(%(order_ids)s::bigint[]) and released_at is null
);

-- name: lock_released
-- The tickets that these orders once held, for selling them again to the same orders.
-- Locks: the tickets, FOR UPDATE, in the order of their ids; waits: bookings lock tickets without ever waiting.
-- Isolation: read committed.
select
    bookings.order_id,
    tickets.id,
    tickets.status
from bookings
inner join tickets on bookings.ticket_id = tickets.id
where bookings.order_id = any(%(order_ids)s::bigint[])
order by tickets.id
for update of tickets;
