-- Cancellations of events. Each one ends its orders and refunds their payments in batches.

alter table tickets drop constraint tickets_status_check;
alter table tickets
add constraint tickets_status_check check (status = any('{available,held,sold,withdrawn}'));
comment on column tickets.status is 'available, held, sold, or withdrawn: without an order in a cancelled event';
comment on constraint tickets_status_check on tickets is 'A ticket is available, held, sold or withdrawn';

create table cancellations (
    event_id integer constraint cancellations_pkey primary key
    constraint cancellations_event_id_fkey references events (id),
    reason text not null constraint cancellations_reason_check check (
        length(reason) between 1 and 128 and is_displayable(reason)
    ),
    last_refund_id bigint not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint cancellations_times_check check (
        started_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and finished_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table cancellations is 'Cancelled events whose orders are ended and refunded';
comment on column cancellations.reason is 'Reason of the operator, for the venue';
comment on column cancellations.last_refund_id
is 'Last refund before the start; later refunds of the event''s orders belong to the cancellation';
comment on column cancellations.started_at is 'Time at which the sale ended and the orders were listed';
comment on column cancellations.finished_at
is 'Time at which every order had ended and every refund was decided; null: the worker continues';
comment on constraint cancellations_pkey on cancellations is 'An event is cancelled once';
comment on constraint cancellations_event_id_fkey on cancellations is 'A cancellation belongs to an event';
comment on constraint cancellations_reason_check on cancellations
is 'A reason has 1 to 128 characters and can be displayed';
comment on constraint cancellations_times_check on cancellations
is 'Times lie between the years 1 and 9999';

create index cancellations_open_idx on cancellations (event_id) where finished_at is null;
comment on index cancellations_open_idx is 'Unfinished cancellations, for the worker and the metrics';

create table cancelled_orders (
    order_id bigint constraint cancelled_orders_pkey primary key,
    event_id integer not null,
    amount_minor bigint not null constraint cancelled_orders_amount_check check (amount_minor >= 0),
    ended_at timestamptz,
    constraint cancelled_orders_times_check check (
        ended_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table cancelled_orders is 'Orders that had tickets at the cancellation of their event';
comment on column cancelled_orders.amount_minor is 'Paid and not refunded amount at the cancellation, in minor units';
comment on column cancelled_orders.ended_at
is 'Time at which the worker ended the order and requested its refund; null: not yet';
comment on constraint cancelled_orders_pkey on cancelled_orders is 'An order is listed once, so that it is refunded once';
comment on constraint cancelled_orders_amount_check on cancelled_orders is 'An amount is not negative';
comment on constraint cancelled_orders_times_check on cancelled_orders is 'Times lie between the years 1 and 9999';

create index cancelled_orders_open_idx on cancelled_orders (order_id) where ended_at is null;
comment on index cancelled_orders_open_idx is 'Orders that the worker has not ended yet';

create index cancelled_orders_event_idx on cancelled_orders (event_id);
comment on index cancelled_orders_event_idx is 'Orders of a cancelled event, for its progress';

create function live_orders(searched_event_id integer) returns setof bigint
language sql
stable
as $$
    select distinct bookings.order_id
    from tiers
    inner join tickets on tiers.id = tickets.tier_id
    inner join bookings on tickets.id = bookings.ticket_id
    where tiers.event_id = searched_event_id and bookings.released_at is null
$$;
comment on function live_orders is 'Return the ids of an event''s orders that have tickets, through the event''s tickets';

-- The rate of requests to the provider ----------------------------------------------------------------------

create table refund_rate (
    id smallint constraint refund_rate_pkey primary key constraint refund_rate_id_check check (id = 1),
    used_until timestamptz not null default now(),
    constraint refund_rate_times_check check (
        used_until between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table refund_rate is 'Rate of refunds that all workers send to the provider; one row';
comment on column refund_rate.used_until
is 'Time up to which the rate is used; each sent refund moves it by one interval';
comment on constraint refund_rate_pkey on refund_rate is 'The table has one row';
comment on constraint refund_rate_id_check on refund_rate is 'The id of the row is 1';
comment on constraint refund_rate_times_check on refund_rate is 'Times lie between the years 1 and 9999';

insert into refund_rate (id) values (1);
