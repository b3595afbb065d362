-- A limit of the tickets that one client address holds.

alter table orders add column client_hash bytea;
alter table orders add constraint orders_client_hash_check check (
    client_hash is null or (status = 'pending' and length(client_hash) = 16)
);
comment on column orders.client_hash is 'Keyed hash of the address that made a pending order; null for all other orders';
comment on constraint orders_client_hash_check on orders is 'Only a pending order has a hash of its client''s address';

create index orders_client_hash_idx on orders (client_hash) include (quantity, expires_at)
where client_hash is not null;
comment on index orders_client_hash_idx is 'The tickets that a client address holds';
