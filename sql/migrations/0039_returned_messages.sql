-- A return of single tickets is announced to the buyer.

alter table messages drop constraint messages_kind_check;
alter table messages add constraint messages_kind_check check (
    kind in ('held', 'confirmed', 'declined', 'expired', 'cancelled', 'returned', 'refunded', 'links')
);
comment on constraint messages_kind_check on messages is 'A message has a template';
