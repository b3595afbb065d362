-- name: insert_session
-- Start a session of an account with its first refresh token.
insert into account_sessions (id, account_id, token_digest, expires_at)
values (
    %(session_id)s,
    %(account_id)s,
    %(token_digest)s,
    now() + make_interval(days => %(days)s)
);

-- name: find_session
-- Find the account of a live session by its refresh token: the present one, or the previous one within its grace.
-- Locks: none.
select
    account_sessions.account_id,
    accounts.public_id::text,
    account_sessions.id::text as session_id
from account_sessions
inner join accounts on account_sessions.account_id = accounts.id
where
    account_sessions.id = %(session_id)s
    and account_sessions.expires_at > now()
    and account_sessions.revoked_at is null
    and (
        account_sessions.token_digest = %(digest)s
        or (
            account_sessions.previous_digest = %(digest)s
            and account_sessions.rotated_at > now() - make_interval(secs => %(grace_s)s)
        )
    );

-- name: lock_session
-- Lock a session to exchange its refresh token.
-- Locks: the session, FOR UPDATE; waits, so that concurrent exchanges of a token follow each other.
select
    account_sessions.id::text,
    account_sessions.account_id,
    accounts.public_id::text,
    account_sessions.generation,
    account_sessions.token_digest,
    account_sessions.previous_digest,
    account_sessions.rotated_at > now() - make_interval(secs => %(grace_s)s) as in_grace,
    account_sessions.expires_at > now() and account_sessions.revoked_at is null as live,
    greatest(extract(epoch from account_sessions.expires_at - now()), 0)::integer as seconds_left
from account_sessions
inner join accounts on account_sessions.account_id = accounts.id
where account_sessions.id = %(session_id)s
for update of account_sessions;

-- name: rotate_session
-- Replace the refresh token of a locked session.
update account_sessions
set
    generation = generation + 1,
    previous_digest = token_digest,
    token_digest = %(token_digest)s,
    rotated_at = now()
where id = %(session_id)s;

-- name: revoke_session
-- Revoke a session, unless it is revoked.
-- Locks: the session, FOR UPDATE; waits.
update account_sessions
set
    revoked_at = now(),
    revoked_reason = %(reason)s
where id = %(session_id)s and revoked_at is null;

-- name: revoke_sessions
-- Revoke the sessions of an account, except one of them; null revokes all.
-- Locks: the sessions, FOR UPDATE, in the order of their ids; waits.
with live as materialized (
    select id
    from account_sessions
    where account_id = %(account_id)s and revoked_at is null and id is distinct from %(except_id)s::uuid
    order by id
    for update
)

update account_sessions
set
    revoked_at = now(),
    revoked_reason = %(reason)s
from live
where account_sessions.id = live.id;

-- name: is_recent
-- Report whether a live session began within some seconds.
select
    exists(
        select 1
        from account_sessions
        where
            id = %(session_id)s
            and revoked_at is null
            and created_at > now() - make_interval(secs => %(seconds)s)
    ) as found;

-- name: list_revoked
-- List the sessions that were revoked within some seconds. A process may still accept their access tokens.
select id::text
from account_sessions
where revoked_at is not null and revoked_at > now() - make_interval(secs => %(seconds)s);

-- name: delete_expired
-- Delete sessions that expired more than a day ago.
-- Locks: the deleted sessions, FOR UPDATE; does not wait, so that several workers share the work.
with expired as materialized (
    select id
    from account_sessions
    where expires_at < now() - interval '1 day'
    order by expires_at
    limit %(limit)s
    for update skip locked
)

delete from account_sessions
where id in (
    select id
    from expired
);
