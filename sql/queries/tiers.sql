-- name: insert_tiers
-- Makes the tiers that an event lacks, and returns only these: a tier once made is never resized here.
insert into tiers (event_id, name, display_order, price_minor, seated, capacity, last_position)
select
    %(event_id)s,
    new.name,
    new.display_order,
    new.price_minor,
    new.seated,
    new.capacity,
    new.last_position
from
    unnest(
        %(names)s::text[],
        %(display_orders)s::smallint[],
        %(prices_minor)s::bigint[],
        %(seated)s::boolean[],
        %(capacities)s::integer[],
        %(last_positions)s::integer[]
    ) as new (name, display_order, price_minor, seated, capacity, last_position)
on conflict on constraint tiers_event_name_key do nothing
returning id, name;

-- name: find_tiers
-- The named tiers of the named events, with what a booking needs to know of them. An event without any of
-- the tiers comes once, with nulls, so that an unknown event and an unknown tier can be told apart.
select
    events.slug as event,
    events.id as event_id,
    events.currency,
    events.sales_start_at,
    events.sales_end_at,
    tiers.id as tier_id,
    tiers.name as tier,
    tiers.price_minor,
    tiers.seated,
    tiers.last_position,
    now() >= events.sales_start_at and now() < coalesce(events.sales_end_at, 'infinity') as on_sale
from events
left join tiers on events.id = tiers.event_id and tiers.name = any(%(tiers)s::text[])
where events.slug = any(%(events)s::text[]);
