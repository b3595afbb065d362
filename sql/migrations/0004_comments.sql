-- Comments in plain English. Operators read them in psql and reviewers in sql/schema.sql.
-- This migration changes no table, constraint or index.

comment on table events is 'A concert on one evening. Its sale is open from sales_start_at until sales_end_at or the concert''s start, whichever comes first';
comment on column events.description is 'Description for the event''s page, in a few sentences; empty: none';
comment on column events.time_zone is 'IANA name of the venue''s time zone; pages show the event''s times in it';
comment on column events.cancelled_at is 'Time of the cancellation, which ends the sale; null: not cancelled';
comment on constraint events_pkey on events is 'The id identifies an event';
comment on constraint events_slug_key on events is 'The slug identifies an event in URLs';
comment on constraint events_slug_check on events is 'A slug fits into a URL: at most 64 lower-case letters, digits and single hyphens';
comment on constraint events_name_check on events is 'An event has a name of at most 200 characters';
comment on constraint events_venue_check on events is 'An event has a venue of at most 200 characters';
comment on constraint events_currency_check on events is 'A currency is a three-letter code of ISO 4217';
comment on constraint events_sales_window_check on events is 'A sale ends after it starts';
comment on constraint events_description_check on events is 'A description has at most 2000 characters';
comment on constraint events_time_zone_check on events is 'PostgreSQL must accept the time zone''s name';
comment on constraint events_cancelled_at_check on events is 'An event is cancelled after it was created';
comment on index events_starts_at_idx is 'Events by starting time, for the list of coming events';

comment on column tiers.capacity is 'Number of tickets; the audit compares it with the rows of tickets';
comment on column tiers.last_position is 'Highest position of the tier''s tickets; a claim starts at a random position up to it';
comment on constraint tiers_pkey on tiers is 'The id identifies a tier';
comment on constraint tiers_event_name_key on tiers is 'Bookings name a tier, so its name is unique within the event';
comment on constraint tiers_event_display_order_key on tiers is 'No two tiers of an event share a display position';
comment on constraint tiers_name_check on tiers is 'A tier has a name of at most 100 characters';
comment on constraint tiers_price_check on tiers is 'A price is not negative';
comment on constraint tiers_capacity_check on tiers is 'A tier has at least one ticket';
comment on constraint tiers_last_position_check on tiers is 'Every ticket of a tier has its own position';

comment on table tickets is 'The right to one seat or one standing place at an event; at most one order holds or owns it at a time';
comment on column tickets.position is 'Rank within the tier. Adjacent seats have consecutive positions; one position is unused between two rows';
comment on column tickets.held_until is 'End of the hold; the worker then makes the ticket available again';
comment on constraint tickets_pkey on tickets is 'The id identifies a ticket';
comment on constraint tickets_tier_position_key on tickets is 'No two tickets of a tier share a position';
comment on constraint tickets_position_check on tickets is 'Positions start at 1';
comment on constraint tickets_seat_check on tickets is 'A seat has a row and a number; a standing ticket has neither';
comment on constraint tickets_status_check on tickets is 'A ticket is available, held or sold';
comment on constraint tickets_held_until_check on tickets is 'A held ticket has an end of its hold; any other ticket has none';
comment on index tickets_available_idx is 'Available tickets of a tier in seat order, for claims';
comment on index tickets_available_event_idx is 'Available tickets of an event by id, for pages of tickets';
comment on index tickets_held_idx is 'Held tickets of a tier by the end of their hold';

comment on table orders is 'One decided booking request under its reference. The row is also the idempotency record';
comment on column orders.request_digest is 'SHA-256 of the request that created the order; the API refuses a different request under the same reference';
comment on column orders.expires_at is 'End of the order''s hold; null: the request itself decided the payment';
comment on column orders.reason is 'Reason for the last change of the status, for the history; null: unchanged since creation';
comment on constraint orders_pkey on orders is 'The id identifies an order';
comment on constraint orders_reference_key on orders is 'No two orders share a reference';
comment on constraint orders_reference_check on orders is 'A reference has 1 to 128 characters';
comment on constraint orders_user_check on orders is 'An order has a buyer, whose id has at most 128 characters';
comment on constraint orders_request_digest_check on orders is 'A digest is a SHA-256';
comment on constraint orders_quantity_check on orders is 'An order has at least one ticket';
comment on constraint orders_total_check on orders is 'A total is not negative';
comment on constraint orders_currency_check on orders is 'A currency is a three-letter code of ISO 4217';
comment on constraint orders_status_check on orders is 'An order is pending, confirmed, declined, expired or cancelled';
comment on constraint orders_expires_at_check on orders is 'A pending or expired order has an end of its hold';
comment on constraint orders_expires_after_check on orders is 'A hold ends after the order was created';
comment on constraint orders_cancelled_at_check on orders is 'A cancelled order has the time of its cancellation; any other order has none';
comment on constraint orders_reason_check on orders is 'A reason has 1 to 200 characters';
comment on index orders_user_idx is 'Orders of a buyer by id';
comment on index orders_declined_idx is 'Declined orders by age, for the worker''s purge';
comment on index orders_pending_idx is 'Pending orders by the end of their hold, for the worker''s expiry job';

comment on table bookings is 'One ticket of an order. A booking is live until released_at; only the purge of a declined order deletes it';
comment on constraint bookings_pkey on bookings is 'The id identifies a booking';
comment on constraint bookings_order_line_key on bookings is 'No two bookings of an order share a line';
comment on constraint bookings_line_check on bookings is 'Lines start at 1';
comment on constraint bookings_price_check on bookings is 'A price is not negative';
comment on constraint bookings_released_at_check on bookings is 'A booking is released after it was created';
comment on index bookings_live_ticket_key is 'A ticket has at most one live booking';

comment on table payments is 'The only payment of an order, in its last known state';
comment on column payments.next_check_at is 'Time at which the worker next contacts the provider about the payment';
comment on constraint payments_pkey on payments is 'The id identifies a payment';
comment on constraint payments_status_check on payments is 'A payment is pending, captured, declined, void, refunding or refunded';
comment on constraint payments_amount_check on payments is 'An amount is not negative';
comment on constraint payments_currency_check on payments is 'A currency is a three-letter code of ISO 4217';
comment on constraint payments_next_check_at_check on payments is 'A pending or refunding payment has a next check; any other payment has none';
comment on index payments_order_key is 'An order has at most one payment';
comment on index payments_open_idx is 'Open payments by their next check, for the worker';

comment on table webhooks is 'Inbox of the payment provider''s webhooks; processed_at is null until the webhook is processed';
comment on constraint webhooks_pkey on webhooks is 'A webhook that arrives again is stored once';
comment on constraint webhooks_id_check on webhooks is 'A webhook has an id of at most 256 characters';
comment on constraint webhooks_processed_at_check on webhooks is 'A webhook is processed after it arrived';
comment on index webhooks_open_idx is 'Unprocessed webhooks, oldest first';
comment on index webhooks_processed_idx is 'Processed webhooks by age, for the worker''s purge';

comment on table booking_limits is 'Times of each buyer''s recent bookings. A guarded update of the buyer''s row enforces the limit per minute';
comment on column booking_limits.booked_at is 'Times of the bookings of the last minute; older times may remain';
comment on constraint booking_limits_pkey on booking_limits is 'A buyer has one row, which serializes concurrent bookings of the same buyer';
comment on constraint booking_limits_booked_at_check on booking_limits is 'A buyer without recent bookings has no row';

comment on table order_events is 'History of every state of an order and its payment, with the reason. Triggers append to it in the same transaction';
comment on column order_events.previous is 'Previous state; null: the order is new';
comment on constraint order_events_pkey on order_events is 'The id identifies an entry';
comment on constraint order_events_subject_check on order_events is 'An entry describes the order or its payment';
comment on constraint order_events_transition_check on order_events is 'An order and its payment make only the transitions that the README draws';
comment on index order_events_order_idx is 'History of an order';

comment on function recent is 'Return the times that are at most as old as the given age, earliest first';
comment on function note_new_orders is 'Append the first entry of new orders to the history';
comment on function note_changes is 'Append an entry for each change of an order''s or a payment''s state; order_events_transition_check refuses other transitions';
comment on function refuse_change is 'Keep the history append-only; only the purge of a declined order deletes its entries';
