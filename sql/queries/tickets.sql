-- name: insert_seated_tickets
-- Insert all tickets of a seated tier.
-- Adjacent seats have consecutive positions. One unused position separates two rows, so no two seats of different
-- rows are consecutive.
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
-- Insert all tickets of a standing tier.
insert into tickets (event_id, tier_id, position)
select
    %(event_id)s,
    %(tier_id)s,
    n
from generate_series(1, %(capacity)s) as n;

-- name: list_available
-- List a page of an event's available tickets by id, from all tiers or from one.
-- The event is a range of one value and part of the order, so that the planner walks the index of available tickets.
-- With an equality the planner walks the primary key, past every sold ticket and past other events.
-- The tier comes from a subquery, because with a join the planner sorts all available tickets for each page.
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
-- Lock any tickets of a standing tier, from a random start position with wrap-around.
-- Fewer rows than `quantity` mean that all other tickets are sold, held or locked by another transaction.
-- SKIP LOCKED still predicate-locks the rows that it skips. Without random starts all claims scan the same head of the
-- index, and SERIALIZABLE aborts nearly all of them.
-- The order is by position, because with an order by id the planner walks the primary key past every sold ticket.
-- Locks: the returned tickets, FOR UPDATE; does not wait.
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

-- name: find_rows
-- Find the rows of a seated tier from the front, each with its first and its last position.
select
    min(position) as first,
    max(position) as last
from tickets
where tier_id = %(tier_id)s
group by row_label
order by min(position);

-- name: find_front_seats
-- Find the first seats of a tier, from the front, that are available and that no unfinished transaction has locked.
-- The service chooses among them, and lock_tickets claims its choice. The columns are the first fields of its struct.
-- A transaction writes its id into xmax when it locks or changes a row. It is unfinished if its id is in the snapshot, or
-- is not below the snapshot's upper bound. Without these conditions, concurrent batches would choose the same seats.
-- A lock that begins after the statement's snapshot is not visible, so lock_tickets may still miss a seat.
-- Only tickets_available_seats_idx has the order of `position + 0`. With an order by position the planner may walk
-- tickets_tier_position_key past every sold seat.
-- Isolation: read committed, outside the booking transaction, because the statement reads more seats than the batch
-- takes. SERIALIZABLE would abort every other transaction that takes one of them.
-- Locks: none.
select
    id,
    position,
    ctid::text as ctid,
    row_label,
    seat_number
from tickets
where
    tier_id = %(tier_id)s
    and status = 'available'
    and row_label is not null
    and age(xmax) > age(pg_snapshot_xmax(pg_current_snapshot())::xid)
    and not xmax = any(array(select pg_snapshot_xip(pg_current_snapshot())::xid))
order by position + 0
limit %(limit)s;

-- name: find_tickets
-- Find tickets by id, in any state; lock_tickets claims them afterwards.
-- Isolation: read committed, outside the booking transaction, for the reason given at find_front_seats.
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
-- Lock tickets at the ctids where an earlier statement found them.
-- A missing row is locked by another transaction or has moved, and only a change of its state moves a ticket.
-- A ctid may belong to another ticket by now, so the caller compares the ids and checks the status.
-- The search is by ctid, because a search by id predicate-locks pages of the primary key, to which every sale adds.
-- The statement has no condition on the status, which would let the planner read the whole index of available tickets.
-- Locks: the returned tickets, FOR UPDATE; does not wait.
select
    id,
    ctid::text as ctid,
    status
from tickets
where ctid = any(%(ctids)s::text[]::tid[])
for update skip locked;

-- name: count_left
-- Count the available and the held tickets of tiers in committed state, and the seconds until the first hold ends.
-- A ticket that an unfinished transaction has locked keeps the state that it had before.
-- Isolation: read committed, after the booking transaction, because the statement reads more tickets than the batch
-- takes.
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
-- Mark locked tickets as sold, or as held until a time.
-- The search is by ctid, which cannot change while the ticket is locked; lock_tickets gives the reason.
-- An array replaces a join with the claim, which a wrong estimate turns into a hash join over all tickets.
-- Locks: none beyond those of the claim.
-- Fails: assert_failure, when the locks of the claim did not hold.
with taken as (
    update tickets
    set
        status = case when %(held_until)s::timestamptz is null then 'sold' else 'held' end,
        held_until = %(held_until)s
    where ctid = any(%(ctids)s::text[]::tid[])
    returning id
)

select require_rows(count(*), cardinality(%(ctids)s::text[]), 'assert_failure')
from taken;

-- name: sell_held
-- Mark the tickets that orders hold or have reclaimed as sold.
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
-- Lock the tickets that orders once held, to sell them to the same orders again.
-- Locks: the tickets, FOR UPDATE, in the order of their ids; waits. Bookings lock tickets without waiting.
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
