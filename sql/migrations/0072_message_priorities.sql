-- A message about an order of its own is sent before those that thousands of buyers get at once.

alter table messages add column priority smallint not null default 0
constraint messages_priority_check check (priority between 0 and 2);
comment on column messages.priority
is '0: somebody has requested the message; 1: about one order; 2: to all buyers of an event. The lowest is sent first';
comment on constraint messages_priority_check on messages is 'A message has one of three priorities';

update messages
set priority = case when kind in ('event_cancelled', 'event_changed') then 2 else 1 end
where next_attempt_at is not null and source_id is not null;

drop index messages_requested_idx;
create index messages_priority_idx on messages (priority, next_attempt_at) where next_attempt_at is not null;
comment on index messages_priority_idx is 'Messages to send by priority, the most overdue first';

comment on column event_changes.last_order_id
is 'Last order that was read for the change; null: the worker has not begun, and further changes share the row';
