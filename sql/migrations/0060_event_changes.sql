-- Changes of events that their buyers have to know. Events are changed in SQL, so a trigger records each change with its
-- values before. The worker then adds an entry to the history of each order, from which the feed queues an e-mail.

create table event_changes (
    id bigint generated always as identity constraint event_changes_pkey primary key,
    event_id integer not null constraint event_changes_event_id_fkey references events (id),
    name text not null,
    venue text not null,
    address text,
    starts_at timestamptz not null,
    doors_at timestamptz,
    time_zone text not null,
    created_at timestamptz not null default now(),
    seen_at timestamptz,
    last_order_id bigint,
    finished_at timestamptz,
    constraint event_changes_finished_check check (finished_at is null or last_order_id is not null),
    constraint event_changes_started_check check (last_order_id is null or seen_at is not null),
    constraint event_changes_texts_check check (
        is_displayable(name) and is_displayable(venue) and is_displayable(address)
    ),
    constraint event_changes_times_check check (
        least(starts_at, doors_at, created_at, seen_at, finished_at) >= '0001-01-02 00:00:00+00'
        and greatest(starts_at, doors_at, created_at, seen_at, finished_at) <= '9999-12-30 23:59:59.999999+00'
    )
);
comment on table event_changes
is 'Changes of the name, the place or the times of events, with the values before them. Changes within a short time share a row';
comment on column event_changes.name is 'Name of the event before the change';
comment on column event_changes.venue is 'Venue before the change';
comment on column event_changes.address is 'Address of the venue before the change; null: none was announced';
comment on column event_changes.starts_at is 'Start before the change';
comment on column event_changes.doors_at is 'Time of the doors before the change; null: none was announced';
comment on column event_changes.time_zone is 'Time zone of the venue before the change';
comment on column event_changes.created_at is 'Start of the transaction that first changed the event';
comment on column event_changes.seen_at
is 'Time at which the worker first saw the last change; orders that began later have the new values; null: not yet';
comment on column event_changes.last_order_id
is 'Last order with an entry about the change; null: the worker has not begun, and further changes share the row';
comment on column event_changes.finished_at is 'Time at which every order had its entry; null: the worker continues';
comment on constraint event_changes_pkey on event_changes is 'The id identifies a change';
comment on constraint event_changes_event_id_fkey on event_changes is 'A change belongs to an event';
comment on constraint event_changes_finished_check on event_changes is 'The worker begins a change before it finishes it';
comment on constraint event_changes_started_check on event_changes is 'The worker sees a change before it begins it';
comment on constraint event_changes_texts_check on event_changes is 'Texts are trimmed and without invisible characters';
comment on constraint event_changes_times_check on event_changes is 'Times lie between the years 1 and 9999';

create unique index event_changes_open_key on event_changes (event_id) where last_order_id is null;
comment on index event_changes_open_key is 'An event has one change that the worker has not begun';

create index event_changes_unfinished_idx on event_changes (id) where finished_at is null;
comment on index event_changes_unfinished_idx is 'Changes for the worker';

create function note_event_details() returns trigger
language plpgsql
as $$
begin
    insert into event_changes (event_id, name, venue, address, starts_at, doors_at, time_zone)
    values (old.id, old.name, old.venue, old.address, old.starts_at, old.doors_at, old.time_zone)
    on conflict (event_id) where last_order_id is null do update set seen_at = null;
    return null;
end
$$;
comment on function note_event_details()
is 'Record the details of an event before a change; further changes, until the worker begins, keep the first ones';

create trigger events_note_details
after update on events
for each row
when (
    (old.name, old.venue, old.address, old.starts_at, old.doors_at, old.time_zone)
    is distinct from (new.name, new.venue, new.address, new.starts_at, new.doors_at, new.time_zone)
)
execute function note_event_details();

-- Each order with tickets has an entry about a change of its event.
alter table order_events
drop constraint order_events_subject_check,
drop constraint order_events_transition_check,
add constraint order_events_subject_check check ((subject = any('{line,refund,event}')) = (detail is not null)),
add constraint order_events_transition_check check (
    subject || ':' || coalesce(previous, 'new') || '>' || status = any('{
        order:new>pending,
        order:new>confirmed,
        order:new>declined,
        order:pending>confirmed,
        order:pending>declined,
        order:pending>expired,
        order:pending>cancelled,
        order:expired>confirmed,
        order:confirmed>cancelled,
        payment:pending>captured,
        payment:pending>declined,
        payment:pending>void,
        payment:pending>refunding,
        payment:void>captured,
        payment:void>refunding,
        payment:captured>refunding,
        payment:captured>refunded,
        payment:refunding>refunded,
        line:live>released,
        refund:new>requested,
        refund:new>succeeded,
        refund:requested>pending,
        refund:requested>succeeded,
        refund:requested>failed,
        refund:pending>succeeded,
        refund:pending>failed,
        refund:failed>requested,
        event:new>changed
    }')
);
comment on table order_events is
'History of every state of an order, its payment and its refunds, of its returned tickets, and of changes of its event. Triggers and the worker append to it in the transaction of the change';
comment on column order_events.previous is 'Previous state; null: the order or the refund is new, or the event has changed';
comment on column order_events.detail
is 'Id of the booking, of the refund or of the change of the event; null: the order or its payment';
comment on constraint order_events_subject_check on order_events
is 'Exactly an entry about a line, a refund or the event has its id';
comment on constraint order_events_transition_check on order_events
is 'An order, its payment, its lines, which are bookings, and its refunds make only the transitions that the README draws';

alter table messages drop constraint messages_kind_check;
alter table messages add constraint messages_kind_check check (
    kind in (
        'held', 'confirmed', 'declined', 'expired', 'cancelled', 'event_cancelled', 'event_changed', 'returned', 'refunded',
        'links', 'sign_in'
    )
);
comment on constraint messages_kind_check on messages is 'A message has a template';
