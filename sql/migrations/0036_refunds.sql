-- Refunds of whole orders and of single tickets. A ticket of a confirmed order can be returned by itself: its booking
-- ends, and the order stays confirmed while another booking is live.

create table refunds (
    id bigint generated always as identity constraint refunds_pkey primary key,
    key uuid not null constraint refunds_key_key unique,
    payment_id bigint not null,
    amount_minor bigint not null constraint refunds_amount_check check (amount_minor between 1 and 1000000000000000),
    status text not null
    constraint refunds_status_check check (status in ('requested', 'pending', 'succeeded', 'failed')),
    reason text not null constraint refunds_reason_check check (length(reason) between 1 and 200),
    requested_by text not null
    constraint refunds_requested_by_check check (
        requested_by in ('buyer', 'event', 'late')
        or requested_by ~ '^acct:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    ),
    provider_id text constraint refunds_provider_id_key unique
    constraint refunds_provider_id_check check (length(provider_id) between 1 and 255),
    attempt smallint not null default 1 constraint refunds_attempt_check check (attempt > 0),
    next_check_at timestamptz,
    last_error text constraint refunds_last_error_check check (length(last_error) between 1 and 500),
    created_at timestamptz not null default now(),
    settled_at timestamptz,
    constraint refunds_next_check_at_check check (
        (status in ('requested', 'pending')) = (next_check_at is not null)
    ),
    constraint refunds_settled_at_check check ((status in ('succeeded', 'failed')) = (settled_at is not null)),
    constraint refunds_texts_check check (is_displayable(reason)),
    constraint refunds_times_check check (
        next_check_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and settled_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table refunds is 'Money that goes back to a buyer: a part or all of a captured payment';
comment on column refunds.key is 'Identifies the refund in responses and, with the attempt, in requests to the provider';
comment on column refunds.requested_by
is 'buyer: by the buyer; event: the event was cancelled; late: paid after the hold; acct: and an id: by that account';
comment on column refunds.attempt is 'Number of the attempt; a retry of a failed refund is another request to the provider';
comment on column refunds.next_check_at is 'Time at which the worker next contacts the provider about the refund';
comment on column refunds.last_error is 'The provider''s reason for the last failure; null: none';
comment on column refunds.settled_at is 'Time at which the refund succeeded or failed; null: open';
comment on constraint refunds_pkey on refunds is 'The id identifies a refund';
comment on constraint refunds_key_key on refunds is 'A key identifies a refund, so that a repeated request creates one';
comment on constraint refunds_amount_check on refunds is 'An amount is positive and at most 10^15 minor units';
comment on constraint refunds_status_check on refunds is 'A refund is requested, pending, succeeded or failed';
comment on constraint refunds_reason_check on refunds is 'A reason has 1 to 200 characters';
comment on constraint refunds_requested_by_check on refunds is 'A buyer, an event, a late payment or an account causes a refund';
comment on constraint refunds_provider_id_key on refunds is 'No two refunds share a refund of the provider';
comment on constraint refunds_provider_id_check on refunds is 'An id of the provider has 1 to 255 characters';
comment on constraint refunds_attempt_check on refunds is 'Attempts are counted from 1';
comment on constraint refunds_last_error_check on refunds is 'An error has 1 to 500 characters';
comment on constraint refunds_next_check_at_check on refunds
is 'A requested or pending refund has a next check; any other refund has none';
comment on constraint refunds_settled_at_check on refunds is 'A succeeded or failed refund has its time; any other refund has none';
comment on constraint refunds_texts_check on refunds is 'A reason can be displayed';
comment on constraint refunds_times_check on refunds is 'Times lie between the years 1 and 9999';

create index refunds_open_idx on refunds (next_check_at) where next_check_at is not null;
comment on index refunds_open_idx is 'Open refunds by their next check, for the worker';

create index refunds_payment_idx on refunds (payment_id);
comment on index refunds_payment_idx is 'Refunds of a payment';

-- Payments ------------------------------------------------------------------------------------------------

-- Each refund adds its amount in the same transaction. The constraint then refuses a refund too many, whichever
-- transactions run at the same time.
alter table payments add column refunded_minor bigint not null default 0;
alter table payments drop constraint payments_next_check_at_check;
update payments
set
    refunded_minor = case when status in ('refunding', 'refunded') then amount_minor else 0 end,
    next_check_at = case when status = 'pending' then next_check_at end
where status in ('refunding', 'refunded');
-- A payment of 0 has nothing to refund.
update payments
set status = 'refunded'
where status = 'refunding' and amount_minor = 0;
alter table payments
add constraint payments_refunded_check check (refunded_minor between 0 and amount_minor),
add constraint payments_next_check_at_check check ((status = 'pending') = (next_check_at is not null));
comment on column payments.refunded_minor is 'Sum of the payment''s refunds in every state, in minor units';
comment on column payments.next_check_at is 'Time at which the worker next contacts the provider about the charge';
comment on constraint payments_refunded_check on payments is 'The refunds of a payment are at most its amount';
comment on constraint payments_next_check_at_check on payments
is 'A pending payment has a next check; any other payment has none';

-- Bookings ------------------------------------------------------------------------------------------------

alter table bookings
add column released_reason text,
add column refund_id bigint;
update bookings
set
    released_reason = coalesce(
        (
            select orders.status
            from orders
            where orders.id = bookings.order_id and orders.status in ('expired', 'declined')
        ),
        'cancelled'
    )
where released_at is not null;
-- One constraint, because a sale pays for each constraint of its tables.
alter table bookings add constraint bookings_released_reason_check check (
    (released_at is null) = (released_reason is null)
    and released_reason in ('expired', 'declined', 'cancelled', 'returned')
    and (refund_id is null or released_reason is not distinct from 'returned')
);
comment on table bookings is
'One ticket of an order. A booking is live until released_at; only the purge of a declined order deletes it';
comment on column bookings.released_reason
is 'returned: the ticket alone was returned; otherwise the state of the order that released it; null: live';
comment on column bookings.refund_id is 'Refund of a returned ticket; null: not returned, or the price was 0';
comment on constraint bookings_released_reason_check on bookings
is 'A released booking has a reason, and only a returned one has a refund';

-- History -------------------------------------------------------------------------------------------------

alter table order_events add column detail bigint;
alter table order_events drop constraint order_events_subject_check;
alter table order_events drop constraint order_events_transition_check;
alter table order_events
add constraint order_events_subject_check check (
    subject in ('order', 'payment', 'line', 'refund')
    and (subject in ('line', 'refund')) = (detail is not null)
),
add constraint order_events_transition_check check (
    subject || ':' || coalesce(previous, 'new') || '>' || status in (
        'order:new>pending',
        'order:new>confirmed',
        'order:new>declined',
        'order:pending>confirmed',
        'order:pending>declined',
        'order:pending>expired',
        'order:pending>cancelled',
        'order:expired>confirmed',
        'order:confirmed>cancelled',
        'payment:pending>captured',
        'payment:pending>declined',
        'payment:pending>void',
        'payment:pending>refunding',
        'payment:void>captured',
        'payment:void>refunding',
        'payment:captured>refunding',
        'payment:captured>refunded',
        'payment:refunding>refunded',
        'line:live>released',
        'refund:new>requested',
        'refund:new>succeeded',
        'refund:requested>pending',
        'refund:requested>succeeded',
        'refund:requested>failed',
        'refund:pending>succeeded',
        'refund:pending>failed',
        'refund:failed>requested'
    )
);
comment on table order_events is
'History of every state of an order, its payment and its refunds, and of its returned tickets. Triggers append to it in the same transaction';
comment on column order_events.previous is 'Previous state; null: the order or the refund is new';
comment on column order_events.detail is 'Id of the booking or of the refund; null: the order or its payment';
comment on constraint order_events_subject_check on order_events
is 'An entry describes the order, its payment, a line, which is a booking, or a refund';
comment on constraint order_events_transition_check on order_events
is 'An order, its payment, its lines and its refunds make only the transitions that the README draws';

create function note_returned_lines() returns trigger language plpgsql as $$
begin
    insert into order_events (order_id, subject, previous, status, reason, detail)
    select changed.order_id, 'line', 'live', 'released', changed.released_reason, changed.id
    from changed inner join before on changed.id = before.id
    where before.released_at is null and changed.released_reason = 'returned'
    order by changed.id;
    return null;
end
$$;
comment on function note_returned_lines is
'Append an entry for each ticket that is returned by itself; the entries of its order describe any other release';

create function note_new_refunds() returns trigger language plpgsql as $$
begin
    insert into order_events (order_id, subject, status, reason, detail)
    select payments.order_id, 'refund', new_refunds.status, new_refunds.reason, new_refunds.id
    from new_refunds inner join payments on new_refunds.payment_id = payments.id
    order by new_refunds.id;
    return null;
end
$$;
comment on function note_new_refunds is 'Append the first entry of new refunds to the history';

create function note_refund_changes() returns trigger language plpgsql as $$
begin
    insert into order_events (order_id, subject, previous, status, reason, detail)
    select
        payments.order_id, 'refund', before.status, changed.status,
        case changed.status when 'failed' then changed.last_error end, changed.id
    from changed
    inner join before on changed.id = before.id
    inner join payments on changed.payment_id = payments.id
    where changed.status <> before.status
    order by changed.id;
    return null;
end
$$;
comment on function note_refund_changes is
'Append an entry for each change of a refund''s state; order_events_transition_check refuses other transitions';

create trigger bookings_note_returned after update on bookings
referencing old table as before new table as changed for each statement execute function note_returned_lines();

create trigger refunds_note_new after insert on refunds
referencing new table as new_refunds for each statement execute function note_new_refunds();

create trigger refunds_note_changes after update on refunds
referencing old table as before new table as changed for each statement execute function note_refund_changes();

-- Refunds that began before this table existed. The triggers write their history.
insert into refunds (key, payment_id, amount_minor, status, reason, requested_by, next_check_at, settled_at)
select
    gen_random_uuid(),
    payments.id,
    payments.amount_minor,
    case payments.status when 'refunding' then 'requested' else 'succeeded' end,
    'refunded before refunds had rows of their own',
    case orders.status when 'cancelled' then 'buyer' else 'late' end,
    case payments.status when 'refunding' then now() end,
    case payments.status when 'refunded' then now() end
from payments
inner join orders on payments.order_id = orders.id
where payments.status in ('refunding', 'refunded') and payments.amount_minor > 0
order by payments.id;
