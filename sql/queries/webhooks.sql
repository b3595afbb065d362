-- name: insert_webhook
-- Store a webhook. A repeated delivery changes nothing.
insert into webhooks (id, payload)
values (%(id)s, %(payload)s)
on conflict on constraint webhooks_pkey do nothing;

-- name: lock_open
-- Lock webhooks that are not processed, the oldest first; with `only`, just that webhook.
-- Locks: the webhooks, FOR UPDATE SKIP LOCKED, so that several processes share the work.
-- Isolation: read committed.
select
    id,
    payload
from webhooks
where processed_at is null and (%(only)s::text is null or id = %(only)s::text)
order by received_at
limit %(limit)s
for update skip locked;

-- name: mark_processed
-- Mark webhooks as processed. now() is the start of this transaction, and a webhook may have been stored after that.
-- greatest() keeps processed_at from preceding received_at.
update webhooks
set processed_at = greatest(now(), received_at)
where id = any(%(ids)s::text[]);

-- name: delete_processed
-- Delete webhooks that were processed more than a number of days ago.
-- Locks: the deleted webhooks, FOR UPDATE SKIP LOCKED.
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
