-- The holder of an order may revoke the links to it. The secrets of links contain their generation.

-- A check would cost each booking some time, and only one statement changes the column.
alter table orders add column link_generation integer not null default 0;
comment on column orders.link_generation is 'Number of times that the links to the order were revoked. Only links of this generation give access';
