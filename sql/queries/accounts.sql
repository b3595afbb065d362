-- name: upsert_verified
-- Find the account of a verified address, or make it. Its e-mails have the language of the last sign-in with a link.
-- Locks: the account, FOR UPDATE; waits.
insert into accounts (email, locale, verified_at)
values (%(email)s, %(locale)s, now())
on conflict (lower(email)) do update
    set
        verified_at = coalesce(accounts.verified_at, now()),
        locale = excluded.locale
returning
    id,
    public_id::text,
    email,
    password_hash;

-- name: find_by_email
-- Find the account of an address.
select
    id,
    public_id::text,
    email,
    password_hash
from accounts
where lower(email) = lower(%(email)s::text);

-- name: find_by_id
-- Find an account.
select
    id,
    public_id::text,
    email,
    password_hash
from accounts
where id = %(account_id)s;

-- name: insert_unverified
-- Make the account of an address that gets a role before its first sign-in, unless the address has one.
insert into accounts (email)
values (%(email)s)
on conflict (lower(email)) do nothing;

-- name: lock_password
-- Lock an account whose password has a hash. No row: the password has changed.
-- Locks: the account, FOR NO KEY UPDATE; waits. A change of the password waits for it, and then ends the new session.
-- Isolation: read committed.
select id
from accounts
where id = %(account_id)s and password_hash = %(password_hash)s
for no key update;

-- name: lock_account
-- Lock an account whose passkeys change. No row: the account does not exist.
-- Locks: the account, FOR NO KEY UPDATE; waits, so that concurrent changes follow each other.
select id
from accounts
where id = %(account_id)s
for no key update;

-- name: change_password
-- Store the hash of an account's password.
-- Locks: the account, FOR UPDATE; waits.
update accounts
set password_hash = %(password_hash)s
where id = %(account_id)s;

-- name: claim_orders
-- Give the oldest guest orders of a verified address to its account.
-- Locks: the orders, FOR UPDATE, in the order of their ids; waits.
with claimed as materialized (
    select id
    from orders
    where
        email is not null
        and lower(email) = lower(%(email)s::text)
        and account_id is null
    order by id
    limit %(limit)s
    for update
)

update orders
set account_id = %(account_id)s
from claimed
where orders.id = claimed.id;
