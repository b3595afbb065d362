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
