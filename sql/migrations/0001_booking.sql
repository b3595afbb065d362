-- Events, their tiers and tickets; orders, their bookings and payments.
-- Every constraint and index is named after the rule that it carries, since api/db.py and the tests
-- speak of them by name; a comment says that rule. Money is in the currency's minor units (cents).

-- The runner has made this table before the first migration, so that it could note what it applies.
comment on constraint migrations_pkey on migrations is 'A migration is applied once';
comment on constraint migrations_sha256_check on migrations is 'A checksum is a SHA-256 in hexadecimal';

create table events (
    id integer generated always as identity constraint events_pkey primary key,
    slug text not null constraint events_slug_key unique
    constraint events_slug_check check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 64),
    name text not null constraint events_name_check check (length(name) between 1 and 200),
    venue text not null constraint events_venue_check check (length(venue) between 1 and 200),
    starts_at timestamptz not null,
    sales_start_at timestamptz not null,
    sales_end_at timestamptz,
    currency text not null constraint events_currency_check check (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz not null default now(),
    constraint events_sales_window_check check (sales_start_at < sales_end_at)
);
comment on table events is 'A concert on one evening; its sale is open from sales_start_at until before sales_end_at (null: without an end)';
comment on constraint events_pkey on events is 'An event is told by its id';
comment on constraint events_slug_key on events is 'One event for each public name';
comment on constraint events_slug_check on events is 'A public name can stand in a URL: small letters, digits and single hyphens, at most 64';
comment on constraint events_name_check on events is 'An event has a name, of at most 200 characters';
comment on constraint events_venue_check on events is 'An event has a venue, of at most 200 characters';
comment on constraint events_currency_check on events is 'A currency is the three letters of ISO 4217';
comment on constraint events_sales_window_check on events is 'A sale ends after it began';

create table tiers (
    id integer generated always as identity constraint tiers_pkey primary key,
    event_id integer not null constraint tiers_event_id_fkey references events (id),
    name text not null constraint tiers_name_check check (length(name) between 1 and 100),
    display_order smallint not null,
    price_minor bigint not null constraint tiers_price_check check (price_minor >= 0),
    seated boolean not null,
    capacity integer not null constraint tiers_capacity_check check (capacity > 0),
    last_position integer not null,
    constraint tiers_event_name_key unique (event_id, name),
    constraint tiers_event_display_order_key unique (event_id, display_order),
    constraint tiers_last_position_check check (last_position >= capacity)
);
comment on table tiers is 'A price class of an event';
comment on column tiers.capacity is 'Number of tickets; the audit compares it with the tickets themselves';
comment on column tiers.last_position is 'The highest position of its tickets; a random start is drawn from 1 to here';
comment on constraint tiers_pkey on tiers is 'A tier is told by its id';
comment on constraint tiers_event_id_fkey on tiers is 'A tier belongs to an event';
comment on constraint tiers_event_name_key on tiers is 'A buyer names a tier, so its name is unique in its event';
comment on constraint tiers_event_display_order_key on tiers is 'No two tiers of an event are shown at one place';
comment on constraint tiers_name_check on tiers is 'A tier has a name, of at most 100 characters';
comment on constraint tiers_price_check on tiers is 'A ticket is free or costs something';
comment on constraint tiers_capacity_check on tiers is 'A tier has tickets';
comment on constraint tiers_last_position_check on tiers is 'Each ticket of a tier has a position of its own';

create table tickets (
    id bigint generated always as identity constraint tickets_pkey primary key,
    event_id integer not null,
    tier_id integer not null constraint tickets_tier_id_fkey references tiers (id),
    position integer not null constraint tickets_position_check check (position > 0),
    row_label text,
    seat_number integer,
    status text not null default 'available',
    constraint tickets_tier_position_key unique (tier_id, position),
    constraint tickets_seat_check check ((row_label is null) = (seat_number is null)),
    constraint tickets_status_check check (status in ('available', 'sold'))
)
-- Selling a ticket moves its row to a new version (the status is in a partial index, so never in place as a
-- HOT update): room is left on each page, and vacuum comes early.
with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
comment on table tickets is 'One place in the house, sold at most once at a time';
comment on column tickets.position is 'Place in its tier''s order; seats side by side have consecutive positions, and between rows one position is left out';
comment on constraint tickets_pkey on tickets is 'A ticket is told by its id';
comment on constraint tickets_tier_id_fkey on tickets is 'A ticket belongs to a tier';
comment on constraint tickets_tier_position_key on tickets is 'No place exists twice';
comment on constraint tickets_position_check on tickets is 'Positions are counted from 1';
comment on constraint tickets_seat_check on tickets is 'A seat has a row and a number; where one stands there is neither';
comment on constraint tickets_status_check on tickets is 'A ticket can be bought or is sold';

-- The index that claims walk: only what can be sold, in the order in which neighbours stand. A claim starts at
-- a random position of it, so that concurrent claims neither wait for nor predicate-lock the same head.
create index tickets_available_idx on tickets (tier_id, position) where status = 'available';
comment on index tickets_available_idx is 'What can be sold, in seat order';

-- The index that lists walk, a page at a time from any id on, past whatever has been sold.
create index tickets_available_event_idx on tickets (event_id, id) where status = 'available';
comment on index tickets_available_event_idx is 'What can be bought of an event, by id';

-- Orders, bookings and payments have no foreign keys, on purpose. To events and tiers: each booking would take a
-- share lock on that one row. To orders and tickets: the check reads the parent's primary key, and under
-- SERIALIZABLE that predicate-locks the very page to which every concurrent booking adds, so that nearly all
-- would abort. The rows of an order are written in one transaction and never deleted apart.
--
-- Ids of orders and bookings are drawn from their sequences before the insert, so that a batch can name its
-- rows without asking for them again: hence `by default`.
create table orders (
    id bigint generated by default as identity constraint orders_pkey primary key,
    event_id integer not null,
    reference text not null constraint orders_reference_key unique
    constraint orders_reference_check check (length(reference) between 1 and 128),
    user_id text not null constraint orders_user_check check (length(user_id) between 1 and 128),
    request_digest bytea not null constraint orders_request_digest_check check (length(request_digest) = 32),
    status text not null,
    quantity smallint not null constraint orders_quantity_check check (quantity > 0),
    total_minor bigint not null constraint orders_total_check check (total_minor >= 0),
    currency text not null constraint orders_currency_check check (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz not null default now(),
    constraint orders_status_check check (status in ('confirmed', 'declined'))
);
comment on table orders is 'One booking request that was decided, under its reference: the idempotency record';
comment on column orders.request_digest is 'SHA-256 of the request that made it; another request under the same reference is refused';
comment on constraint orders_pkey on orders is 'An order is told by its id';
comment on constraint orders_reference_key on orders is 'One key, one order';
comment on constraint orders_reference_check on orders is 'A key has 1 to 128 characters';
comment on constraint orders_user_check on orders is 'An order has a buyer, of at most 128 characters';
comment on constraint orders_request_digest_check on orders is 'A digest is a SHA-256';
comment on constraint orders_quantity_check on orders is 'An order is for at least one ticket';
comment on constraint orders_total_check on orders is 'An order is free or costs something';
comment on constraint orders_currency_check on orders is 'A currency is the three letters of ISO 4217';
comment on constraint orders_status_check on orders is 'An order was confirmed or declined';

create index orders_user_idx on orders (user_id, id);
comment on index orders_user_idx is 'A buyer''s orders, newest first';

create index orders_declined_idx on orders (created_at) where status = 'declined';
comment on index orders_declined_idx is 'Declined orders, oldest first, for the worker that forgets them';

create table bookings (
    id bigint generated by default as identity constraint bookings_pkey primary key,
    order_id bigint not null,
    line smallint not null constraint bookings_line_check check (line > 0),
    ticket_id bigint not null,
    tier_id integer not null,
    price_minor bigint not null constraint bookings_price_check check (price_minor >= 0),
    created_at timestamptz not null default now(),
    released_at timestamptz,
    constraint bookings_order_line_key unique (order_id, line),
    constraint bookings_released_at_check check (released_at >= created_at)
);
comment on table bookings is 'One ticket of an order; live until released_at, and never deleted';
comment on constraint bookings_pkey on bookings is 'A booking is told by its id';
comment on constraint bookings_order_line_key on bookings is 'No line of an order is written twice';
comment on constraint bookings_line_check on bookings is 'An order''s lines are counted from 1';
comment on constraint bookings_price_check on bookings is 'A ticket is free or costs something';
comment on constraint bookings_released_at_check on bookings is 'A ticket is given back after it was booked';

create unique index bookings_live_ticket_key on bookings (ticket_id) where released_at is null;
comment on index bookings_live_ticket_key is 'One ticket, one buyer: no ticket ever has two live bookings';

create table payments (
    id bigint generated by default as identity constraint payments_pkey primary key,
    order_id bigint not null,
    outcome text not null constraint payments_outcome_check check (outcome in ('captured', 'declined')),
    amount_minor bigint not null constraint payments_amount_check check (amount_minor >= 0),
    currency text not null constraint payments_currency_check check (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz not null default now()
);
comment on table payments is 'What the payment provider answered';
comment on constraint payments_pkey on payments is 'A payment is told by its id';
comment on constraint payments_outcome_check on payments is 'A payment was captured or declined';
comment on constraint payments_amount_check on payments is 'A payment takes money or nothing, and never gives it';
comment on constraint payments_currency_check on payments is 'A currency is the three letters of ISO 4217';

create unique index payments_captured_order_key on payments (order_id) where outcome = 'captured';
comment on index payments_captured_order_key is 'An order is paid for once';

create index payments_order_idx on payments (order_id);
comment on index payments_order_idx is 'An order''s payments; without it, deleting an order would scan them all';
