-- An item that fails a job is tried again after a growing pause, so that the job reaches the items behind it.

alter table cancelled_orders
add column attempts smallint not null default 0,
add column next_attempt_at timestamptz not null default now(),
drop constraint cancelled_orders_times_check;
alter table cancelled_orders
add constraint cancelled_orders_attempts_check check (attempts >= 0),
add constraint cancelled_orders_times_check check (
    least(ended_at, next_attempt_at) >= '0001-01-02 00:00:00+00'
    and greatest(ended_at, next_attempt_at) <= '9999-12-30 23:59:59.999999+00'
);
comment on column cancelled_orders.attempts is 'Number of failed attempts to end the order';
comment on column cancelled_orders.next_attempt_at
is 'Time from which the worker ends the order, after a pause that grows with each failed attempt';
comment on constraint cancelled_orders_attempts_check on cancelled_orders is 'Attempts are counted from 0';
comment on constraint cancelled_orders_times_check on cancelled_orders is 'Times lie between the years 1 and 9999';

alter table event_changes
add column attempts smallint not null default 0,
add column next_attempt_at timestamptz not null default now(),
drop constraint event_changes_times_check;
alter table event_changes
add constraint event_changes_attempts_check check (attempts >= 0),
add constraint event_changes_times_check check (
    least(starts_at, doors_at, created_at, seen_at, finished_at, next_attempt_at) >= '0001-01-02 00:00:00+00'
    and greatest(starts_at, doors_at, created_at, seen_at, finished_at, next_attempt_at)
    <= '9999-12-30 23:59:59.999999+00'
);
comment on column event_changes.attempts is 'Number of failed attempts to append entries';
comment on column event_changes.next_attempt_at
is 'Time from which the worker appends entries, after a pause that grows with each failed attempt';
comment on constraint event_changes_attempts_check on event_changes is 'Attempts are counted from 0';
comment on constraint event_changes_times_check on event_changes is 'Times lie between the years 1 and 9999';
