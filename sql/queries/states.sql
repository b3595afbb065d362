-- name: list_states
-- List the seat states of an event, tier by tier and row by row in seat order.
-- Each tier reports its held tickets and the earliest end of their holds. Each row of seats has one letter per
-- seat, the first letter of the ticket's status. A withdrawn ticket counts as sold, because nobody can book it.
-- The row columns are null for standing tiers, and for all tiers of an event with more than seats_max seats.
-- The result is empty if the event does not exist, because every event has at least one tier.
select
    tiers.name as tier,
    held_tickets.held,
    held_tickets.held_until,
    seat_rows.row_label,
    seat_rows.ids,
    seat_rows.numbers,
    seat_rows.states,
    events.revision,
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
-- The conditions on the tier are inside the subquery. Outside of it, PostgreSQL would still read the tickets.
left join
    lateral (
        select
            tickets.row_label,
            min(tickets.position) as first_position,
            array_agg(tickets.id order by tickets.position) as ids,
            array_agg(tickets.seat_number order by tickets.position) as numbers,
            translate(string_agg(left(tickets.status, 1), '' order by tickets.position), 'w', 's') as states
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
