-- name: list_states
-- The states of an event's tickets, and when they were true: for each tier what unfinished bookings hold of it and
-- when the first of these holds ends, and a row for each row of its seats, in order, with one letter for each seat:
-- the first of its status. Without rows (null) are standing tiers, and all tiers of an event that has more seats
-- than seats_max.
-- No row: there is no such event (an event has at least one tier).
select
    tiers.name as tier,
    held_tickets.held,
    held_tickets.held_until,
    seat_rows.row_label,
    seat_rows.ids,
    seat_rows.numbers,
    seat_rows.states,
    now() as as_of
from events
inner join tiers on events.id = tiers.event_id
cross join
    lateral (
        select
            count(*) as held,
            min(tickets.held_until) as held_until
        from tickets
        where tickets.tier_id = tiers.id and tickets.status = 'held'
    ) as held_tickets
-- What decides whether there are rows stands within: outside, the tickets would be read all the same.
left join
    lateral (
        select
            tickets.row_label,
            min(tickets.position) as first_position,
            array_agg(tickets.id order by tickets.position) as ids,
            array_agg(tickets.seat_number order by tickets.position) as numbers,
            string_agg(left(tickets.status, 1), '' order by tickets.position) as states
        from tickets
        where
            tickets.tier_id = tiers.id
            and tiers.seated
            and (
                select sum(seated_tiers.capacity)
                from tiers as seated_tiers
                where seated_tiers.event_id = events.id and seated_tiers.seated
            ) <= %(seats_max)s
        group by tickets.row_label
    ) as seat_rows
    on true
where events.slug = %(event)s
order by tiers.display_order, seat_rows.first_position;
