-- name: insert_webhook
-- Stores what the provider tells; what was stored before is left as it is.
insert into webhooks (id, payload)
values (%(id)s, %(payload)s)
on conflict on constraint webhooks_pkey do nothing;

-- name: lock_open
-- Webhooks that are to be worked off, the oldest first.
-- Locks: the webhooks, FOR UPDATE; waits for none, so that processes share the work.
-- Isolation: read committed.
select
    id,
    payload
from webhooks
where processed_at is null
order by received_at
limit %(limit)s
for update skip locked;

-- name: mark_processed
-- Notes that webhooks are worked off: never earlier than they came, for one may be stored between the beginning of
-- this transaction, which is its now(), and the statement that found it.
update webhooks
set processed_at = greatest(now(), received_at)
where id = any(%(ids)s::text[]);

-- name: delete_processed
-- Forgets webhooks that were worked off a number of days ago.
-- Locks: those that it deletes, FOR UPDATE; waits for none.
with locked_webhooks as materialized (
    select id
    from webhooks
    where processed_at < now() - make_interval(days => %(days)s)
    order by processed_at
    limit %(limit)s
    for update skip locked
)

delete from webhooks
where id in (
    select id
    from locked_webhooks
);
