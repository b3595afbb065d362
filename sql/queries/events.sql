-- name: upsert_event
-- Makes an event whose sale is open from a time on (null: from now on), or leaves the one of that slug as it is.
insert into events (slug, name, venue, description, time_zone, starts_at, sales_start_at, currency)
values (
    %(slug)s,
    %(name)s,
    %(venue)s,
    %(description)s,
    %(time_zone)s,
    %(starts_at)s,
    coalesce(%(sales_start_at)s::timestamptz, now()),
    %(currency)s
)
on conflict on constraint events_slug_key do nothing;

-- name: lock_event
-- Locks: the event's row, so that seeds of one event run one after the other.
select id
from events
where slug = %(slug)s
for update;

-- name: event_exists
select exists(
    select 1
    from events
) as found;

-- name: list_events
-- Events with their tiers, a row for each tier in display order, and when that was true: the event of a slug, or,
-- where the slug is null, those that have not begun, soonest first. There is always a row: one without an event
-- (null) says when there was none.
-- The state's own rule is the order of its cases; find_tiers has the same one for what can be booked.
with listed as (
    (
        select id
        from events
        where %(event)s::text is null and starts_at > now()
        order by starts_at, id
        limit %(limit)s
    )
    union all
    select id
    from events
    where slug = %(event)s
),

-- The first entry of each partial index, whatever has been sold: `exists` could become one scan of all of it.
tier_stock as (
    select
        tiers.event_id,
        tiers.name as tier,
        tiers.display_order,
        tiers.price_minor,
        tiers.capacity as total,
        tiers.seated,
        available_ticket.found is not null as available,
        held_ticket.found is not null as held
    from listed
    inner join tiers on listed.id = tiers.event_id
    left join
        lateral (
            select true as found
            from tickets
            where tickets.tier_id = tiers.id and tickets.status = 'available'
            order by tickets.position
            limit 1
        ) as available_ticket
        on true
    left join
        lateral (
            select true as found
            from tickets
            where tickets.tier_id = tiers.id and tickets.status = 'held'
            order by tickets.held_until
            limit 1
        ) as held_ticket
        on true
)

select
    clock.as_of,
    events.slug,
    events.name,
    events.venue,
    events.description,
    events.time_zone,
    events.starts_at,
    events.sales_start_at,
    events.sales_end_at,
    events.currency,
    tier_stock.tier,
    tier_stock.price_minor,
    tier_stock.total,
    tier_stock.seated,
    tier_stock.available,
    case
        when events.cancelled_at is not null then 'cancelled'
        when clock.as_of >= least(events.starts_at, events.sales_end_at) then 'ended'
        when clock.as_of < events.sales_start_at then 'upcoming'
        when bool_or(tier_stock.available or tier_stock.held) over (partition by events.id) then 'on_sale'
        else 'sold_out'
    end as state
from (values (now())) as clock (as_of)
left join (events inner join tier_stock on events.id = tier_stock.event_id) on true
order by events.starts_at, events.id, tier_stock.display_order;
