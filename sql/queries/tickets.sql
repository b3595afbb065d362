-- name: insert_seated_tickets
-- All tickets of a tier with seats: seats side by side have consecutive positions, and between two rows one
-- position is left out, so that neighbours are consecutive positions and nothing else is.
-- Rows are lettered A to Z, then AA, AB and so on.
insert into tickets (event_id, tier_id, position, row_label, seat_number)
select
    %(event_id)s,
    %(tier_id)s,
    place.number + place.number / %(seats_per_row)s + 1,
    case
        when place.row_index >= 26 then chr(64 + place.row_index / 26)
        else ''
    end || chr(65 + mod(place.row_index, 26)),
    mod(place.number, %(seats_per_row)s) + 1
from (
    select
        n as number,
        %(first_row)s + n / %(seats_per_row)s as row_index
    from generate_series(0, %(capacity)s - 1) as n
) as place;

-- name: insert_standing_tickets
-- All tickets of a standing tier.
insert into tickets (event_id, tier_id, position)
select
    %(event_id)s,
    %(tier_id)s,
    n
from generate_series(1, %(capacity)s) as n;

-- name: list_available
-- The tickets that can be bought, by id.
select
    tickets.id,
    tiers.name as tier,
    tiers.price_minor,
    events.currency,
    tickets.row_label,
    tickets.seat_number
from events
inner join tiers on events.id = tiers.event_id
inner join tickets on tiers.id = tickets.tier_id
where
    events.slug = %(event)s
    and (%(tier)s::text is null or tiers.name = %(tier)s)
    and tickets.status = 'available'
    and tickets.id > %(after)s
order by tickets.id
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
    ctid::text as place
from locked_after
union all
select
    id,
    position,
    ctid::text as place
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
        ctid::text as place
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
        ctid::text as place
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
    ctid::text as place
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
    status
from tickets
where ctid = any(%(places)s::text[]::tid[])
for update skip locked;

-- name: count_available
-- How many tickets are left, as committed: a ticket that an unfinished transaction has locked counts.
select
    tier_id,
    count(*) as available
from tickets
where tier_id = any(%(tier_ids)s::integer[]) and status = 'available'
group by tier_id;

-- name: sell_tickets
-- Marks claimed tickets as sold. Fewer rows than asked would mean that the claim did not hold.
-- By place, which cannot change while the ticket is locked, for the reasons given at lock_tickets; and by an
-- array, not by a join with the claim: with an estimate gone wrong that is a hash join over all tickets.
-- Locks: none that the claim has not taken.
update tickets
set status = 'sold'
where ctid = any(%(places)s::text[]::tid[]);
