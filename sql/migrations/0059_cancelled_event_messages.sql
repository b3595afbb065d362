-- The cancellation of an event is announced to the buyers by a message of its own.

alter table messages drop constraint messages_kind_check;
alter table messages add constraint messages_kind_check check (
    kind in (
        'held', 'confirmed', 'declined', 'expired', 'cancelled', 'event_cancelled', 'returned', 'refunded', 'links', 'sign_in'
    )
);
comment on constraint messages_kind_check on messages is 'A message has a template';
