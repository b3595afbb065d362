-- name: lock_address
-- Let requests for e-mails to an address follow each other, so that their number stays below the limit.
-- Locks: an advisory lock of the transaction; waits.
select pg_advisory_xact_lock(hashtextextended(lower(%(email)s::text), 20261130));

-- name: count_requested
-- Count the e-mails that were requested within the last hour, about an order and to an address, and find the seconds
-- until the first of them is older. Notices to an account do not count.
select
    count(*) filter (where order_id = %(order_id)s::bigint) as about_order,
    count(*) filter (where lower(recipient) = lower(%(email)s::text)) as to_address,
    coalesce(ceil(extract(epoch from min(created_at) + interval '1 hour' - now())), 0)::integer as wait_s
from messages
where
    source_id is null
    and kind <> all('{passkey_added,passkey_deleted,password_changed}')
    and created_at > now() - interval '1 hour'
    and (
        order_id = %(order_id)s::bigint
        or (recipient is not null and lower(recipient) = lower(%(email)s::text))
    );

-- name: change_contact
-- Change the address of a locked order, and the language of its messages if there is another one.
update orders
set
    email = %(email)s,
    locale = coalesce(%(locale)s, locale)
where id = %(order_id)s;

-- name: write_log
-- Write an entry to the write-ahead log that changes nothing. The commit of every request for links then waits for the
-- disk, so that its time does not disclose whether the address has an order.
select pg_logical_emit_message(true, 'links', '');

-- name: insert_links
-- Queue a message with the links to all orders of an address, unless the address has no order or the number of its
-- requested messages within the last hour has reached the limit. The message goes to the address as the newest order
-- has it.
insert into messages (kind, recipient, locale, message_id, next_attempt_at)
select
    'links',
    newest.email,
    %(locale)s,
    '<' || gen_random_uuid() || '@' || %(domain)s::text || '>',
    now()
from (
    select orders.email
    from orders
    where orders.email is not null and lower(orders.email) = lower(%(email)s)
    order by orders.id desc
    limit 1
) as newest
where
    (
        select count(*)
        from messages
        where
            messages.source_id is null
            and messages.kind <> all('{passkey_added,passkey_deleted,password_changed}')
            and messages.recipient is not null
            and lower(messages.recipient) = lower(%(email)s::text)
            and messages.created_at > now() - interval '1 hour'
    ) < %(limit)s;

-- name: list_links
-- List the newest orders of an address that have or had tickets, with the local times of their events.
select
    orders.reference,
    orders.link_generation,
    events.name,
    events.starts_at at time zone events.time_zone as starts_at
from orders
inner join events on orders.event_id = events.id
where
    orders.email is not null
    and lower(orders.email) = lower(%(recipient)s)
    and orders.status in ('pending', 'confirmed', 'cancelled')
order by orders.id desc
limit %(limit)s;
