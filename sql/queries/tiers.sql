-- name: insert_tiers
-- Insert the tiers that an event lacks, and return only these; existing tiers keep their size.
-- New tiers follow the existing ones in display order. lock_event prevents concurrent additions.
insert into tiers (
    event_id,
    name,
    display_order,
    price_minor,
    seated,
    capacity,
    last_position,
    hold_seconds,
    tickets_per_buyer,
    tickets_min,
    tickets_max
)
select
    %(event_id)s,
    new.name,
    new.number + coalesce(
        (
            select max(display_order)
            from tiers
            where event_id = %(event_id)s
        ), 0
    ),
    new.price_minor,
    new.seated,
    new.capacity,
    new.last_position,
    new.hold_seconds,
    new.tickets_per_buyer,
    new.tickets_min,
    new.tickets_max
from
    unnest(
        %(names)s::text[],
        %(prices_minor)s::bigint[],
        %(seated)s::boolean[],
        %(capacities)s::integer[],
        %(last_positions)s::integer[],
        %(hold_seconds)s::integer[],
        %(tickets_per_buyer)s::integer[],
        %(tickets_min)s::smallint[],
        %(tickets_max)s::smallint[]
    ) with ordinality as new (
        name,
        price_minor,
        seated,
        capacity,
        last_position,
        hold_seconds,
        tickets_per_buyer,
        tickets_min,
        tickets_max,
        number
    )
on conflict on constraint tiers_event_name_key do nothing
returning id, name;

-- name: count_rows
-- Count an event's rows of seats; a tier leaves out one position between two of its rows.
select coalesce(sum(last_position - capacity + 1), 0)::integer as seat_rows
from tiers
where event_id = %(event_id)s and seated;

-- name: find_tiers
-- Find tiers of events by their names or by the ids of their tickets, with the columns that a booking needs.
-- An event without any of the tiers returns one row with null columns, which separates an unknown tier from an unknown
-- event.
select
    events.slug as event,
    events.id as event_id,
    events.currency,
    events.revision,
    events.updated_at,
    events.sales_start_at,
    events.sales_end_at,
    events.starts_at,
    events.ends_at,
    events.cancelled_at,
    tiers.id as tier_id,
    tiers.name as tier,
    tiers.price_minor,
    tiers.seated,
    tiers.last_position,
    events.hold_seconds as event_hold_seconds,
    events.tickets_per_buyer as event_tickets_per_buyer,
    events.tickets_min as event_tickets_min,
    events.tickets_max as event_tickets_max,
    tiers.hold_seconds,
    tiers.tickets_per_buyer,
    tiers.tickets_min,
    tiers.tickets_max,
    now() as read_at
from events
left join tiers
    on
        events.id = tiers.event_id
        and (
            tiers.name = any(%(tiers)s::text[])
            or tiers.id in (
                select tickets.tier_id
                from tickets
                where tickets.id = any(%(ticket_ids)s::bigint[])
            )
        )
where events.slug = any(%(events)s::text[]);
