-- name: find_foreign_owners
-- The account of every order exists, and an order with the name of an account belongs to that account.
select
    orders.id as order_id,
    orders.account_id,
    orders.user_id
from orders
left join accounts on orders.account_id = accounts.id
where
    orders.account_id is not null
    and (accounts.id is null or (orders.user_id like 'acct:%' and orders.user_id <> 'acct:' || accounts.public_id))
order by orders.id;

-- name: find_unverified_passkeys
-- Only an account whose address is verified has a passkey.
select
    passkeys.id as passkey_id,
    passkeys.account_id
from passkeys
inner join accounts on passkeys.account_id = accounts.id
where accounts.verified_at is null
order by passkeys.id;
