-- A message that somebody has requested, such as a link to sign in, is sent before all announcements.

create index messages_requested_idx on messages (next_attempt_at)
where next_attempt_at is not null and source_id is null;
comment on index messages_requested_idx is 'Requested messages to send, the most overdue first';
