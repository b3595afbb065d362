-- Events and tiers have their own hold time, limit of tickets per buyer, and numbers of tickets per order.
-- An event's numbers count all tickets of an order or buyer. A tier's numbers count the tickets of that tier.

alter table events
add column hold_seconds integer,
add column tickets_per_buyer integer,
add column tickets_min smallint,
add column tickets_max smallint;
alter table events
add constraint events_hold_seconds_check check (hold_seconds between 1 and 86400),
add constraint events_tickets_per_buyer_check check (tickets_per_buyer >= 1),
add constraint events_tickets_min_check check (tickets_min between 1 and 1000),
add constraint events_tickets_max_check check (tickets_max between 1 and 1000),
add constraint events_tickets_range_check check (tickets_min <= least(tickets_max, tickets_per_buyer));
comment on column events.hold_seconds is 'Length of a hold in seconds; null: the setting HOLD_SECONDS';
comment on column events.tickets_per_buyer is 'Most tickets of one buyer in all orders; null: no limit';
comment on column events.tickets_min is 'Fewest tickets of one order; null: 1';
comment on column events.tickets_max is 'Most tickets of one order; null: the setting MAX_TICKETS_PER_BOOKING';
comment on constraint events_hold_seconds_check on events is 'A hold lasts 1 second to 1 day';
comment on constraint events_tickets_per_buyer_check on events is 'A buyer can have at least one ticket';
comment on constraint events_tickets_min_check on events is 'An order has 1 to 1000 tickets';
comment on constraint events_tickets_max_check on events is 'An order has 1 to 1000 tickets';
comment on constraint events_tickets_range_check on events is 'At least one number of tickets per order is possible';

alter table tiers
add column hold_seconds integer,
add column tickets_per_buyer integer,
add column tickets_min smallint,
add column tickets_max smallint;
alter table tiers
add constraint tiers_hold_seconds_check check (hold_seconds between 1 and 86400),
add constraint tiers_tickets_per_buyer_check check (tickets_per_buyer >= 1),
add constraint tiers_tickets_min_check check (tickets_min between 1 and 1000),
add constraint tiers_tickets_max_check check (tickets_max between 1 and 1000),
add constraint tiers_tickets_range_check check (tickets_min <= least(tickets_max, tickets_per_buyer));
comment on column tiers.hold_seconds is 'Length of a hold in seconds; null: that of the event';
comment on column tiers.tickets_per_buyer is 'Most tickets of this tier that one buyer can have; null: only the event''s limit';
comment on column tiers.tickets_min is 'Fewest tickets of this tier in an order with the tier; null: 1';
comment on column tiers.tickets_max is 'Most tickets of this tier in one order; null: only the event''s limit';
comment on constraint tiers_hold_seconds_check on tiers is 'A hold lasts 1 second to 1 day';
comment on constraint tiers_tickets_per_buyer_check on tiers is 'A buyer can have at least one ticket';
comment on constraint tiers_tickets_min_check on tiers is 'An order has 1 to 1000 tickets';
comment on constraint tiers_tickets_max_check on tiers is 'An order has 1 to 1000 tickets';
comment on constraint tiers_tickets_range_check on tiers is 'At least one number of tickets per order is possible';

-- The tickets of a buyer under a limit. Counting them in the booking transaction would predicate-lock the orders of other
-- buyers. The count therefore precedes the transaction, and the transaction compares the guard's version with it.

alter table orders add column limit_key text;
alter table orders add constraint orders_limit_key_check check (length(limit_key) between 1 and 128);
comment on column orders.limit_key
is 'Key of the buyer''s name (api/text.py) for the limit of tickets per buyer; null: no limit applied';
comment on constraint orders_limit_key_check on orders is 'A key of a name has 1 to 128 characters';

create index orders_limit_key_idx on orders (event_id, limit_key) where limit_key is not null;
comment on index orders_limit_key_idx is 'The orders of a buyer under a limit of tickets';

create table buyer_guards (
    event_id integer not null,
    limit_key text not null constraint buyer_guards_limit_key_check check (length(limit_key) between 1 and 128),
    version xid8 not null,
    revision integer not null,
    constraint buyer_guards_pkey primary key (event_id, limit_key)
)
-- A change of the version changes no index, so that it stays on its page as a HOT update.
with (fillfactor = 80);
comment on table buyer_guards is 'Guard of the tickets that a buyer has in an event with a limit per buyer';
comment on column buyer_guards.version
is 'Last transaction that sold tickets to the buyer. No other transaction has this id, also after a purge of the row';
comment on column buyer_guards.revision is 'Revision of the event with the limit that this transaction checked';
comment on constraint buyer_guards_pkey on buyer_guards is 'A buyer has one guard in each event';
comment on constraint buyer_guards_limit_key_check on buyer_guards is 'A key of a name has 1 to 128 characters';
