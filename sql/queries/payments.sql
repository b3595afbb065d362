-- name: insert_payments
-- The payments of new orders.
-- Fails: payments_order_key, when an order has a payment already.
insert into payments (order_id, status, amount_minor, currency)
select
    unnest(%(order_ids)s::bigint[]),
    unnest(%(statuses)s::text[]),
    unnest(%(amounts_minor)s::bigint[]),
    unnest(%(currencies)s::text[]);
