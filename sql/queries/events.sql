-- name: upsert_event
-- Create an event, or leave the existing event of that slug unchanged.
-- If sales_start_at is null, the sale starts now.
insert into events (
    slug,
    name,
    venue,
    address,
    description,
    time_zone,
    doors_at,
    starts_at,
    sales_start_at,
    currency,
    hold_seconds,
    tickets_per_buyer,
    tickets_min,
    tickets_max
)
values (
    %(slug)s,
    %(name)s,
    %(venue)s,
    %(address)s,
    %(description)s,
    %(time_zone)s,
    %(doors_at)s,
    %(starts_at)s,
    coalesce(%(sales_start_at)s::timestamptz, now()),
    %(currency)s,
    %(hold_seconds)s,
    %(tickets_per_buyer)s,
    %(tickets_min)s,
    %(tickets_max)s
)
on conflict on constraint events_slug_key do nothing;

-- name: lock_event
-- Lock an event, and return its id and its rules for orders.
-- Locks: the event's row, FOR UPDATE; waits, so that concurrent seeds of one event run one after the other.
select
    id,
    hold_seconds,
    tickets_per_buyer,
    tickets_min,
    tickets_max
from events
where slug = %(slug)s
for update;

-- name: event_exists
-- Check for at least one event.
select exists(
    select 1
    from events
) as found;

-- name: list_events
-- List events with their tiers, one row per tier in display order.
-- With a slug the result is that event. Without one it is the events that have not begun, soonest first.
-- If there is no such event, one row with null columns still reports as_of.
-- event_rules contains the rule of the state. api/services/event_rules.py applies the same rule to bookings.
with listed as (
    (
        select events.id
        from events
        cross join
            lateral event_rules(
                events.sales_start_at,
                events.sales_end_at,
                events.starts_at,
                events.ends_at,
                events.cancelled_at,
                now()
            ) as rules
        where %(event)s::text is null and not rules.begun
        order by events.starts_at, events.id
        limit %(limit)s
    )
    union all
    select id
    from events
    where slug = %(event)s
),

-- Read only the first entry of each partial index. With `exists` the planner may scan the whole index.
tier_stock as (
    select
        tiers.event_id,
        tiers.name as tier,
        tiers.display_order,
        tiers.price_minor,
        tiers.capacity as total,
        tiers.seated,
        tiers.hold_seconds,
        tiers.tickets_per_buyer,
        tiers.tickets_min,
        tiers.tickets_max,
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
    events.address,
    events.description,
    events.time_zone,
    events.doors_at,
    events.starts_at,
    events.ends_at,
    events.sales_start_at,
    events.sales_end_at,
    events.currency,
    events.revision,
    events.hold_seconds as event_hold_seconds,
    events.tickets_per_buyer as event_tickets_per_buyer,
    events.tickets_min as event_tickets_min,
    events.tickets_max as event_tickets_max,
    tier_stock.tier,
    tier_stock.price_minor,
    tier_stock.total,
    tier_stock.seated,
    tier_stock.hold_seconds,
    tier_stock.tickets_per_buyer,
    tier_stock.tickets_min,
    tier_stock.tickets_max,
    tier_stock.available,
    case
        when rules.sale <> 'on_sale' then rules.sale
        when bool_or(tier_stock.available or tier_stock.held) over (partition by events.id) then 'on_sale'
        else 'sold_out'
    end as state
from (values (now())) as clock (as_of)
left join (events inner join tier_stock on events.id = tier_stock.event_id) on true
cross join
    lateral event_rules(
        events.sales_start_at, events.sales_end_at, events.starts_at, events.ends_at, events.cancelled_at, clock.as_of
    ) as rules
order by events.starts_at, events.id, tier_stock.display_order;

-- name: list_prices
-- List the prices above 0 of events whose sale has not ended, with their currencies.
select
    events.slug,
    tiers.name as tier,
    tiers.price_minor,
    events.currency
from events
inner join tiers on events.id = tiers.event_id
cross join
    lateral event_rules(
        events.sales_start_at, events.sales_end_at, events.starts_at, events.ends_at, events.cancelled_at, now()
    ) as rules
where tiers.price_minor > 0 and rules.sale <> all('{ended,cancelled}')
order by events.slug, tiers.display_order;
