-- name: insert_link
-- Queue a message with a link to sign in, unless the number of the address's usable links has reached the limit. So an
-- address without a further message has a usable link, whoever has requested it. Other messages do not count. A known
-- address and an unknown one have the same plan.
with recent as materialized (
    select id
    from messages
    where
        recipient is not null
        and lower(recipient) = lower(%(email)s::text)
        and created_at > now() - make_interval(mins => %(minutes)s)
),

message as (
    insert into messages (kind, recipient, locale, message_id, next_attempt_at)
    select
        'sign_in',
        %(email)s,
        coalesce(
            %(locale)s::text,
            (
                select accounts.locale
                from accounts
                where lower(accounts.email) = lower(%(email)s::text)
            ),
            'en'
        ),
        '<' || gen_random_uuid() || '@' || %(domain)s::text || '>',
        now()
    where
        (
            select count(*)
            from recent
            inner join sign_in_links on recent.id = sign_in_links.message_id
            where sign_in_links.used_at is null and sign_in_links.expires_at > now()
        ) < %(limit)s
    returning
        id,
        recipient,
        locale
)

insert into sign_in_links (message_id, email, locale, expires_at)
select
    message.id,
    message.recipient,
    message.locale,
    now() + make_interval(mins => %(minutes)s)
from message;

-- name: find_link
-- Find the link of a message, unless it was used or has expired.
select id::text
from sign_in_links
where message_id = %(message_id)s and used_at is null and expires_at > now();

-- name: use_link
-- Use a link, unless it was used or has expired.
-- Locks: the link, FOR UPDATE; waits. The second of two concurrent uses finds no row.
update sign_in_links
set used_at = now()
where id = %(link_id)s and used_at is null and expires_at > now()
returning
    email,
    locale;

-- name: note_attempt
-- Note an attempt to sign in with a password, if the limit of the address admits it. No row: the limit is exhausted.
-- Locks: the row of the address, FOR UPDATE; waits.
insert into sign_in_limits (key, tried_at)
values (%(key)s, array[now()])
on conflict on constraint sign_in_limits_pkey do update
    set tried_at = recent(sign_in_limits.tried_at, interval '1 minute') || excluded.tried_at
    where cardinality(recent(sign_in_limits.tried_at, interval '1 minute')) < %(limit)s
returning true as noted;

-- name: find_wait
-- Find the seconds until the limit of an address admits an attempt.
select greatest(ceil(extract(epoch from min(attempt.at) + interval '1 minute' - now())), 1)::integer as wait_s
from sign_in_limits
cross join lateral unnest(recent(sign_in_limits.tried_at, interval '1 minute')) as attempt (at)
where sign_in_limits.key = %(key)s;

-- name: delete_links
-- Delete links that expired more than a day ago.
-- Locks: the deleted links, FOR UPDATE; does not wait, so that several workers share the work.
with expired as materialized (
    select id
    from sign_in_links
    where expires_at < now() - interval '1 day'
    order by expires_at
    limit %(limit)s
    for update skip locked
)

delete from sign_in_links
where id in (
    select id
    from expired
);

-- name: delete_idle
-- Delete the rows of addresses without a recent attempt.
-- Locks: the deleted rows, FOR UPDATE; does not wait.
with idle as materialized (
    select key
    from sign_in_limits
    where cardinality(recent(tried_at, interval '1 minute')) = 0
    order by key
    limit %(limit)s
    for update skip locked
)

delete from sign_in_limits
where key in (
    select key
    from idle
);
