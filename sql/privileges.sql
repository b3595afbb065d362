-- The privileges of tickets_app, the role of the API, the worker, the audit and the other commands that change no schema.
-- `make migrate` runs this file after the migrations if the role exists. The file replaces all earlier privileges.

revoke all on all tables in schema public from tickets_app;
revoke all on all sequences in schema public from tickets_app;
revoke all on all functions in schema public from tickets_app;

grant usage on schema public to tickets_app;

-- Only the owner creates events and applies migrations. A cancellation sets one column of an event.
grant select on events, tiers, migrations to tickets_app;
grant update (cancelled_at) on events to tickets_app;
grant select, update on tickets to tickets_app;
grant select, insert, update, delete
on booking_limits, bookings, buyer_guards, checkouts, messages, orders, payments, webhooks, workers to tickets_app;
grant select, insert, update on cancellations, cancelled_orders, disputes, refunds to tickets_app;
grant select, update on refund_rate to tickets_app;
-- A trigger inserts the changes of events, with the privileges of the role that changes the event.
grant select, update on event_changes to tickets_app;
-- The history is append-only. A trigger with the owner's privileges deletes the history of a purged order.
grant select, insert on order_events to tickets_app;
grant select, update on feeds to tickets_app;
grant select, insert, update on accounts, grants to tickets_app;
grant select, insert, update, delete on account_sessions, passkey_challenges, passkeys, sign_in_limits, sign_in_links to tickets_app;

grant usage on sequence bookings_id_seq, orders_id_seq to tickets_app;

grant execute on function event_admits, event_rules, is_displayable, live_orders, recent, require_rows to tickets_app;
-- The call of a batch of bookings, and its steps.
grant execute on function
book_batch, claim_any, leave_out, lock_chosen, lock_reference, mark_tickets, note_buyers
to tickets_app;

-- A trigger fires without these privileges. With them, the role could attach purge_history, which acts with the owner's
-- privileges, to a temporary table. By default everybody may execute a new function. Only the owner numbers the history.
revoke execute on function
check_time_zone, note_changes, note_event_change, note_event_details, note_new_orders, note_new_refunds,
note_refund_changes, note_returned_lines, note_tier_change, purge_history, rebase_feeds, refuse_change
from public;

-- By default every role may create temporary tables.
do $$
begin
    if has_database_privilege('tickets_app', current_database(), 'TEMPORARY') then
        execute format('revoke temporary on database %I from public, tickets_app', current_database());
    end if;
end
$$;
