-- The worker deletes old messages with links. So it deletes those that have lost their address before.

delete from messages
where kind = 'links' and recipient is null;

-- The count of failed messages falls once they are purged.
drop index messages_failed_idx;
create index messages_failed_idx on messages (status) where status in ('bounced', 'dead') and recipient is not null;
comment on index messages_failed_idx is 'Messages that reached nobody, until their purge';
