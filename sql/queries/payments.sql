-- name: insert_payments
-- What the provider answered for these orders.
-- Fails: payments_captured_order_key, when an order has been paid for already.
insert into payments (order_id, outcome, amount_minor, currency)
select
    unnest(%(order_ids)s::bigint[]),
    unnest(%(outcomes)s::text[]),
    unnest(%(amounts_minor)s::bigint[]),
    unnest(%(currencies)s::text[]);
