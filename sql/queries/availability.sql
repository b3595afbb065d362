-- name: count_tickets
-- Count the available tickets of each tier of an event, in display order.
-- PostgreSQL takes now() before the statement's snapshot, so the counts are never older than as_of.
-- The result is empty if the event does not exist, because every event has at least one tier.
select
    tiers.name as tier,
    available_tickets.available,
    tiers.capacity as total,
    tiers.price_minor,
    events.currency,
    events.revision,
    now() as as_of
from events
inner join tiers on events.id = tiers.event_id
-- One range scan of the partial index per tier, regardless of how many tickets are sold.
cross join
    lateral (
        select count(*) as available
        from tickets
        where tickets.tier_id = tiers.id and tickets.status = 'available'
    ) as available_tickets
where events.slug = %(event)s
order by tiers.display_order;
