-- Indexes that find the messages to an address and the orders of an address in the order in which the API needs them.

drop index messages_requested_idx;
create index messages_address_idx on messages (lower(recipient), created_at) where recipient is not null;
comment on index messages_address_idx is 'Messages to an address, to limit them';

-- The newest order of an address is then one row of the index. Otherwise the planner may search all orders for it.
drop index orders_email_idx;
create index orders_email_idx on orders (lower(email), id) where email is not null;
comment on index orders_email_idx is 'Orders of an address, for the e-mail with the links to them';
