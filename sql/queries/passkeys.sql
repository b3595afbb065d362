-- name: insert_challenge
-- Store the challenge of a ceremony. A null account stands for a sign-in.
insert into passkey_challenges (challenge, account_id, expires_at)
values (
    %(challenge)s,
    %(account_id)s,
    now() + make_interval(secs => %(seconds)s)
);

-- name: take_challenge
-- Use up the challenge of a ceremony. No row: it was used, has expired, or belongs to another ceremony.
-- Locks: the challenge, FOR UPDATE; waits. The second of two concurrent uses finds no row.
delete from passkey_challenges
where
    challenge = %(challenge)s
    and account_id is not distinct from %(account_id)s::bigint
    and expires_at > now()
returning true as taken;

-- name: delete_challenges
-- Delete challenges that have expired.
-- Locks: the deleted challenges, FOR UPDATE; does not wait, so that several workers share the work.
with expired as materialized (
    select challenge
    from passkey_challenges
    where expires_at < now()
    order by expires_at
    limit %(limit)s
    for update skip locked
)

delete from passkey_challenges
where challenge in (
    select challenge
    from expired
);

-- name: list_passkeys
-- List the passkeys of an account, the oldest first.
select
    id::text,
    credential_id,
    transports,
    name,
    created_at,
    last_used_at
from passkeys
where account_id = %(account_id)s
order by
    created_at,
    id;

-- name: insert_passkey
-- Add a passkey to a locked account. No row: the account has the most passkeys, or the credential belongs to an account.
insert into passkeys (account_id, credential_id, public_key, sign_count, transports, name)
select
    %(account_id)s,
    %(credential_id)s,
    %(public_key)s,
    %(sign_count)s,
    %(transports)s,
    %(name)s
where
    (
        select count(*)
        from passkeys
        where account_id = %(account_id)s
    ) < %(limit)s
on conflict on constraint passkeys_credential_id_key do nothing
returning
    passkeys.id::text,
    passkeys.credential_id,
    passkeys.transports,
    passkeys.name,
    passkeys.created_at,
    passkeys.last_used_at;

-- name: find_passkey
-- Find a passkey and its account by its credential.
select
    passkeys.id::text,
    passkeys.public_key,
    accounts.id as account_id,
    accounts.public_id::text,
    accounts.email,
    accounts.password_hash
from passkeys
inner join accounts on passkeys.account_id = accounts.id
where passkeys.credential_id = %(credential_id)s;

-- name: use_passkey
-- Note a sign-in. No row: the passkey was deleted, or its counter did not increase, although the authenticator counts.
-- Locks: the passkey, FOR UPDATE; waits. The second of two concurrent sign-ins compares the counter of the first one.
update passkeys
set
    sign_count = %(sign_count)s,
    last_used_at = now()
where
    id = %(passkey_id)s
    and (sign_count < %(sign_count)s::bigint or (sign_count = 0 and %(sign_count)s::bigint = 0))
returning true as used;

-- name: rename_passkey
-- Rename a passkey of an account. No row: the account does not have it.
-- Locks: the passkey, FOR UPDATE; waits.
update passkeys
set name = %(name)s
where id = %(passkey_id)s and account_id = %(account_id)s
returning true as renamed;

-- name: delete_passkey
-- Delete a passkey of an account. No row: the account does not have it.
-- Locks: the passkey, FOR UPDATE; waits.
delete from passkeys
where id = %(passkey_id)s and account_id = %(account_id)s
returning true as deleted;
