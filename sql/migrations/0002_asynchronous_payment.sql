-- Asynchronous payment: holds, one payment's life, the inbox of webhooks, a limit for each buyer, and the history
-- of each order. The order's states and the ways between them are drawn in the README.

-- Holds ---------------------------------------------------------------------------------------------------

alter table tickets add column held_until timestamptz;
alter table tickets drop constraint tickets_status_check;
alter table tickets
add constraint tickets_status_check check (status in ('available', 'held', 'sold')),
add constraint tickets_held_until_check check ((status = 'held') = (held_until is not null));
comment on column tickets.held_until is 'When a hold ends; the worker then puts the ticket back on sale';
comment on constraint tickets_status_check on tickets is 'A ticket can be bought, is held for a buyer who is paying, or is sold';
comment on constraint tickets_held_until_check on tickets is 'A hold has an end, and nothing else has';

create index tickets_held_idx on tickets (tier_id, held_until) where status = 'held';
comment on index tickets_held_idx is 'What unfinished bookings hold of a tier, and what of it may come back first';

alter table orders add column expires_at timestamptz;
alter table orders add column cancelled_at timestamptz;
alter table orders add column reason text;
alter table orders drop constraint orders_status_check;
alter table orders
add constraint orders_status_check check (status in ('pending', 'confirmed', 'declined', 'expired', 'cancelled')),
add constraint orders_expires_at_check check (status not in ('pending', 'expired') or expires_at is not null),
add constraint orders_expires_after_check check (expires_at > created_at),
add constraint orders_cancelled_at_check check ((status = 'cancelled') = (cancelled_at is not null)),
add constraint orders_reason_check check (length(reason) between 1 and 200);
comment on column orders.expires_at is 'When its hold ends or ended; null: it was decided within the request';
comment on column orders.reason is 'Why it is in its state, for its history; null: it is as it was made';
comment on constraint orders_status_check on orders is 'An order waits for its payment, was confirmed or declined, ran out of time or was cancelled';
comment on constraint orders_expires_at_check on orders is 'Only an order with a hold waits for its payment';
comment on constraint orders_expires_after_check on orders is 'A hold ends after it began';
comment on constraint orders_cancelled_at_check on orders is 'A cancelled order says when it was';
comment on constraint orders_reason_check on orders is 'A reason is a short sentence';

create index orders_pending_idx on orders (expires_at) where status = 'pending';
comment on index orders_pending_idx is 'Orders that wait for their payment, for the worker that ends their holds';

comment on table bookings is 'One ticket of an order; live until released_at, and deleted only with a declined order that is forgotten';

-- Payments ------------------------------------------------------------------------------------------------

alter table payments rename column outcome to status;
alter table payments drop constraint payments_outcome_check;
alter table payments
add constraint payments_status_check check (
    status in ('pending', 'captured', 'declined', 'void', 'refunding', 'refunded')
);
comment on table payments is 'The one payment of an order, as far as it is known';
comment on constraint payments_status_check on payments is 'A payment is being asked for, was captured or declined, never came about, or goes back or has gone back to the buyer';

alter table payments add column next_check_at timestamptz;
alter table payments
add constraint payments_next_check_at_check check (
    (status in ('pending', 'refunding')) = (next_check_at is not null)
);
comment on column payments.next_check_at is 'When the worker takes it up next with the provider';
comment on constraint payments_next_check_at_check on payments is 'Exactly an open payment is taken up again';

drop index payments_captured_order_key;
drop index payments_order_idx;
create unique index payments_order_key on payments (order_id);
comment on index payments_order_key is 'An order is paid for once';

create index payments_open_idx on payments (next_check_at) where next_check_at is not null;
comment on index payments_open_idx is 'Payments that are to be taken up with the provider, the most overdue first';

-- What the provider tells is stored before it is acknowledged, and worked off afterwards.
create table webhooks (
    id text not null constraint webhooks_pkey primary key
    constraint webhooks_id_check check (length(id) between 1 and 256),
    payload jsonb not null,
    received_at timestamptz not null default now(),
    processed_at timestamptz,
    constraint webhooks_processed_at_check check (processed_at >= received_at)
);
comment on table webhooks is 'The inbox of what the payment provider tells; processed_at is null while it is to be worked off';
comment on constraint webhooks_pkey on webhooks is 'A webhook that comes again is stored once';
comment on constraint webhooks_id_check on webhooks is 'A webhook has an id, of at most 256 characters';
comment on constraint webhooks_processed_at_check on webhooks is 'A webhook is worked off after it came';

create index webhooks_open_idx on webhooks (received_at) where processed_at is null;
comment on index webhooks_open_idx is 'Webhooks that are to be worked off, the oldest first';

create index webhooks_processed_idx on webhooks (processed_at);
comment on index webhooks_processed_idx is 'Webhooks that were worked off, for the worker that forgets them';

-- Limits --------------------------------------------------------------------------------------------------

create table booking_limits (
    user_id text not null constraint booking_limits_pkey primary key,
    booked_at timestamptz[] not null,
    constraint booking_limits_booked_at_check check (cardinality(booked_at) > 0)
)
-- Each booking makes a new version of its buyer's row: with room on the page it stays there (a HOT update).
with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
comment on table booking_limits is 'When each buyer has booked of late: the limit for each minute is kept by a guarded update of the buyer''s own row';
comment on column booking_limits.booked_at is 'Times of the bookings of the last minute, and perhaps older ones';
comment on constraint booking_limits_pkey on booking_limits is 'A buyer has one row, which concurrent bookings of the same buyer take turns on';
comment on constraint booking_limits_booked_at_check on booking_limits is 'A buyer without bookings has no row';

create function recent(times timestamptz[], age interval) returns timestamptz[] language sql stable
return array(
    select entry.at
    from unnest(times) as entry (at)
    where entry.at > now() - age
    order by entry.at
);
comment on function recent is 'Of these times those that are not older than an age, the earliest first';

-- History -------------------------------------------------------------------------------------------------

create table order_events (
    id bigint generated always as identity constraint order_events_pkey primary key,
    order_id bigint not null,
    subject text not null constraint order_events_subject_check check (subject in ('order', 'payment')),
    previous text,
    status text not null,
    reason text,
    created_at timestamptz not null default now(),
    constraint order_events_transition_check check (
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
            'payment:refunding>refunded'
        )
    )
);
comment on table order_events is 'Every state that an order and its payment came into, and why; written by triggers in the same transaction, never changed';
comment on column order_events.previous is 'The state before; null: the order is new';
comment on constraint order_events_pkey on order_events is 'An event is told by its id';
comment on constraint order_events_subject_check on order_events is 'An event is the order''s or its payment''s';
comment on constraint order_events_transition_check on order_events is 'An order and its payment take only the ways that the README draws';

create index order_events_order_idx on order_events (order_id, id);
comment on index order_events_order_idx is 'An order''s history';

-- For each statement, not for each row: a batch of orders writes its history at once.
create function note_new_orders() returns trigger language plpgsql as $$
begin
    insert into order_events (order_id, subject, status, reason)
    select id, 'order', status, reason from new_orders;
    return null;
end
$$;
comment on function note_new_orders is 'Writes the first event of new orders';

create function note_changes() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'orders' then
        insert into order_events (order_id, subject, previous, status, reason)
        select changed.id, 'order', before.status, changed.status, changed.reason
        from changed inner join before on changed.id = before.id
        where changed.status <> before.status;
    else
        insert into order_events (order_id, subject, previous, status)
        select changed.order_id, 'payment', before.status, changed.status
        from changed inner join before on changed.id = before.id
        where changed.status <> before.status;
    end if;
    return null;
end
$$;
comment on function note_changes is 'Writes an event for each change of an order''s or a payment''s state; one that is not allowed violates order_events_transition_check';

create function refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and not exists (select 1 from orders where id = old.order_id and status <> 'declined') then
        return old;
    end if;
    raise exception 'order_events is append-only' using errcode = 'integrity_constraint_violation';
end
$$;
comment on function refuse_change is 'Keeps the history as it was written; only that of a declined order may go, and with the order';

create trigger orders_note_new after insert on orders
referencing new table as new_orders for each statement execute function note_new_orders();

create trigger orders_note_changes after update on orders
referencing old table as before new table as changed for each statement execute function note_changes();

create trigger payments_note_changes after update on payments
referencing old table as before new table as changed for each statement execute function note_changes();

create trigger order_events_no_truncate before truncate on order_events
for each statement execute function refuse_change();

create trigger order_events_append_only before update or delete on order_events
for each row execute function refuse_change();

-- What was decided before this table existed begins its history here.
insert into order_events (order_id, subject, status, created_at)
select
    id,
    'order',
    status,
    created_at
from orders
order by id;
