-- name: count_left
-- Count a ticket that an unfinished transaction has locked as sold.
select
    tiers.id as tier_id,
    unlocked_tickets.available,
    0 as held,
    null::double precision as back_in_s
from tiers
cross join
    lateral (
        select count(*) as available
        from (
            select tickets.id
            from tickets
            where tickets.tier_id = tiers.id and tickets.status = 'available'
            for update skip locked
        ) as unlocked
    ) as unlocked_tickets
where tiers.id = any(%(tier_ids)s::integer[]);
