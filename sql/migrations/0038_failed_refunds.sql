-- Failed refunds need attention, so the state of the system and the metrics count them often.

create index refunds_failed_idx on refunds (id) where status = 'failed';
comment on index refunds_failed_idx is 'Refunds that the provider has refused, to count them';
