-- name: claim_standing
-- Find tickets without locking them.
with found_after as materialized (
    select
        id,
        position,
        ctid
    from tickets
    where tier_id = %(tier_id)s and status = 'available' and position >= %(start)s
    order by position
    limit %(quantity)s
),

found_before as materialized (
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
            from found_after
        )
)

select
    id,
    position,
    ctid::text as ctid
from found_after
union all
select
    id,
    position,
    ctid::text as ctid
from found_before;

-- name: lock_tickets
-- Find tickets without locking them.
select
    id,
    ctid::text as ctid,
    status
from tickets
where ctid = any(%(ctids)s::text[]::tid[]);
