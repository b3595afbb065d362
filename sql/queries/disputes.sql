-- name: note_disputes
-- Have the worker fetch disputes that have changed. The provider may report a dispute several times.
insert into disputes (id, next_check_at)
select
    id,
    now() as next_check_at
from unnest(%(ids)s::text[]) as id
on conflict on constraint disputes_pkey do update set next_check_at = excluded.next_check_at;

-- name: claim_changed
-- Claim disputes that have changed, the most overdue first, and set their next check. next_check_at acts as a lease: no
-- other worker claims the dispute before that time. The time between two checks is at least a twentieth of the dispute's
-- age, up to an hour, because the provider may not know the dispute at all.
-- Locks: the returned disputes, FOR UPDATE SKIP LOCKED, so that several workers share the work.
with locked_disputes as materialized (
    select id
    from disputes
    where next_check_at <= now()
    order by next_check_at
    limit %(limit)s
    for update skip locked
)

update disputes
set
    next_check_at = now() + greatest(
        make_interval(secs => %(check_after_ms)s::double precision / 1000),
        least((now() - disputes.created_at) / 20, interval '1 hour')
    )
from locked_disputes
where disputes.id = locked_disputes.id
returning
    disputes.id,
    disputes.status,
    disputes.next_check_at;

-- name: record_dispute
-- Store the present state of a dispute, with the payment of an order if it is one of ours. The worker fetches an undecided
-- dispute again after an hour, because the report of its decision may be lost. The dispute stays due if the provider has
-- reported it after its claim, because the state may be older than that report.
update disputes
set
    payment_id = (
        select payments.id
        from orders
        inner join payments on orders.id = payments.order_id
        where orders.reference = %(reference)s::text
    ),
    amount_minor = %(amount_minor)s,
    currency = %(currency)s,
    status = %(status)s,
    reason = %(reason)s,
    next_check_at = case
        when next_check_at <> %(claimed_until)s::timestamptz then next_check_at
        when not %(is_decided)s::boolean then now() + interval '1 hour'
    end
where id = %(id)s;

-- name: count_disputes
-- Count the disputes that are not decided, those not fetched yet included, and those that the buyers have won.
select
    count(*) filter (where status is null or status <> all(%(decided)s::text[])) as undecided,
    count(*) filter (where status = 'lost') as lost
from disputes;
