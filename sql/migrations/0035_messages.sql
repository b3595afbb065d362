-- The outbox of e-mails. A reader of the feed queues a message for an entry of the history, in the transaction that moves
-- its cursor. The worker sends the messages after that, so that a slow mail server delays no booking.

create table messages (
    id bigint generated always as identity constraint messages_pkey primary key,
    kind text not null constraint messages_kind_check check (
        kind in ('held', 'confirmed', 'declined', 'expired', 'cancelled', 'refunded', 'links')
    ),
    order_id bigint,
    source_id bigint,
    recipient text constraint messages_recipient_check check (
        length(recipient) <= 254 and recipient ~ '^[^@\s]+@[^@\s]+$'
    ),
    locale text not null constraint messages_locale_check check (locale in ('en', 'de', 'ar')),
    message_id text not null constraint messages_message_id_check check (message_id ~ '^<[^<>@\s]+@[^<>@\s]+>$'),
    status text not null default 'queued' constraint messages_status_check check (
        status in ('queued', 'sent', 'bounced', 'dead', 'skipped')
    ),
    attempts smallint not null default 0 constraint messages_attempts_check check (attempts >= 0),
    next_attempt_at timestamptz,
    sent_at timestamptz,
    last_error text constraint messages_last_error_check check (length(last_error) between 1 and 500),
    created_at timestamptz not null default now(),
    constraint messages_source_key unique (kind, source_id),
    constraint messages_order_id_check check ((order_id is null) = (kind = 'links')),
    constraint messages_source_id_check check (source_id is null or order_id is not null),
    constraint messages_next_attempt_at_check check ((next_attempt_at is not null) = (status = 'queued')),
    constraint messages_sent_at_check check ((sent_at is not null) = (status = 'sent')),
    constraint messages_erased_check check (recipient is not null or status <> 'queued'),
    constraint messages_times_check check (
        next_attempt_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and sent_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table messages is 'E-mails to buyers. A queued message is sent at next_attempt_at, which is also a lease while a worker sends it';
comment on column messages.order_id is 'Order of the message; null: it lists all orders of the address';
comment on column messages.source_id is 'Entry of order_events that the message announces; null: the buyer has requested the message';
comment on column messages.recipient is 'Address of the buyer; null: erased after the retention';
comment on column messages.message_id is 'Header Message-ID, equal in every attempt, so that mailboxes recognize a duplicate';
comment on column messages.attempts is 'Number of attempts, the present one included';
comment on column messages.last_error is 'Response of the mail server to the last failed attempt';
comment on constraint messages_pkey on messages is 'The id identifies a message';
comment on constraint messages_kind_check on messages is 'A message has a template';
comment on constraint messages_recipient_check on messages is 'An address has one @ and no blanks, and at most 254 characters';
comment on constraint messages_locale_check on messages is 'Messages have one of the languages of the web app';
comment on constraint messages_message_id_check on messages is 'A Message-ID has the form of RFC 5322';
comment on constraint messages_status_check on messages is 'A message is queued, sent, refused for good, given up, or no longer true when it was due';
comment on constraint messages_attempts_check on messages is 'Attempts are counted from 0';
comment on constraint messages_last_error_check on messages is 'A response is short';
comment on constraint messages_source_key on messages is 'An entry of the history is announced once';
comment on constraint messages_order_id_check on messages is 'Every message is about one order, except for a list of links';
comment on constraint messages_source_id_check on messages is 'Exactly a message about an order may announce an entry of the history';
comment on constraint messages_next_attempt_at_check on messages is 'Exactly a queued message has a next attempt';
comment on constraint messages_sent_at_check on messages is 'Exactly a sent message has the time at which the server accepted it';
comment on constraint messages_erased_check on messages is 'A queued message has an address';
comment on constraint messages_times_check on messages is 'Times lie between the years 1 and 9999';

create index messages_queued_idx on messages (next_attempt_at) where next_attempt_at is not null;
comment on index messages_queued_idx is 'Messages to send, the most overdue first';

create index messages_failed_idx on messages (status) where status in ('bounced', 'dead');
comment on index messages_failed_idx is 'Messages that reached nobody';

create index messages_recipient_idx on messages (created_at) where recipient is not null;
comment on index messages_recipient_idx is 'Messages whose address is to be erased, the oldest first';

create index messages_order_idx on messages (order_id) where order_id is not null;
comment on index messages_order_idx is 'Messages of an order';

create index messages_requested_idx on messages (lower(recipient), created_at) where source_id is null and recipient is not null;
comment on index messages_requested_idx is 'Messages that buyers have requested, by their address, to limit them';

create index orders_email_idx on orders (lower(email)) where email is not null;
comment on index orders_email_idx is 'Orders of an address, for the e-mail with the links to them';

-- A purged order takes its messages along, because its entries are never read again.
create or replace function purge_history() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    delete from order_events
    using deleted
    where order_events.order_id = deleted.id and deleted.status = 'declined';
    delete from messages
    using deleted
    where messages.order_id = deleted.id and deleted.status = 'declined';
    return null;
end
$$;
comment on function purge_history()
is 'Delete the history and the messages of deleted orders that were declined, with the privileges of the tables'' owner';

insert into feeds (name) values ('mail');
