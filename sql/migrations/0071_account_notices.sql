-- An account learns of changes to how it signs in, so that its owner notices the change of a stranger.

alter table messages
drop constraint messages_kind_check,
drop constraint messages_order_id_check;
alter table messages
add constraint messages_kind_check check (
    kind in (
        'held', 'confirmed', 'declined', 'expired', 'cancelled', 'event_cancelled', 'event_changed', 'returned', 'refunded',
        'links', 'sign_in', 'passkey_added', 'passkey_deleted', 'password_changed'
    )
),
add constraint messages_order_id_check check (
    (order_id is null) = (kind in ('links', 'sign_in', 'passkey_added', 'passkey_deleted', 'password_changed'))
);
comment on constraint messages_kind_check on messages is 'A message has a template';
comment on constraint messages_order_id_check on messages
is 'Every message is about one order, except for a list of links, a link to sign in and a notice to an account';
comment on column messages.order_id is 'Order of the message; null: it is to an account or lists all orders of the address';
comment on column messages.source_id
is 'Entry of order_events that the message announces; null: the buyer has requested the message or changed the account';
