-- name: count_tickets
-- What is left of each tier of an event, in display order, and when that was true.
-- now() is taken before the statement's snapshot, so the counts are never older than as_of says.
-- No row: there is no such event (an event has at least one tier).
select
    tiers.name as tier,
    available_tickets.available,
    tiers.capacity as total,
    tiers.price_minor,
    events.currency,
    now() as as_of
from events
inner join tiers on events.id = tiers.event_id
-- A scan of one range of the partial index for each tier, whatever has been sold.
cross join
    lateral (
        select count(*) as available
        from tickets
        where tickets.tier_id = tiers.id and tickets.status = 'available'
    ) as available_tickets
where events.slug = %(event)s
order by tiers.display_order;
