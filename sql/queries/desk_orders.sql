-- name: find_orders
-- Find the orders of an event by reference, by the id in a short reference or by e-mail address, newest first, each with
-- the last e-mail about it.
select
    orders.id,
    orders.reference,
    orders.status,
    payments.status as payment,
    orders.user_id,
    orders.email,
    orders.quantity,
    orders.total_minor,
    orders.currency,
    orders.created_at,
    mail.kind as mail_kind,
    mail.status as mail_status,
    mail.created_at as mail_created_at,
    mail.last_error as mail_error
from orders
inner join events on orders.event_id = events.id
inner join payments on orders.id = payments.order_id
left join
    lateral (
        select
            messages.kind,
            messages.status,
            messages.created_at,
            messages.last_error
        from messages
        where messages.order_id = orders.id
        order by messages.id desc
        limit 1
    ) as mail
    on true
where
    events.slug = %(event)s
    and (
        orders.reference = %(search)s::text
        or orders.id = %(order_id)s::bigint
        or (orders.email is not null and lower(orders.email) = lower(%(search)s::text))
    )
order by orders.id desc
limit %(limit)s;
