-- Hosted pages of the payment provider, and disputed payments. A page is closed before its order's tickets are released,
-- so that a buyer rarely pays for tickets that are gone.

create table checkouts (
    payment_id bigint constraint checkouts_pkey primary key,
    provider_id text not null constraint checkouts_provider_id_key unique
    constraint checkouts_provider_id_check check (length(provider_id) between 1 and 255),
    url text not null constraint checkouts_url_check check (length(url) between 1 and 2000),
    created_at timestamptz not null default now(),
    next_close_at timestamptz,
    constraint checkouts_times_check check (
        created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and next_close_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table checkouts is 'The provider''s page on which a buyer pays an order';
comment on column checkouts.provider_id is 'The provider''s id of the page';
comment on column checkouts.url is 'Address of the page';
comment on column checkouts.next_close_at is 'Time at which the worker next closes the page; null: it is closed or paid';
comment on constraint checkouts_pkey on checkouts is 'A payment has at most one page';
comment on constraint checkouts_provider_id_key on checkouts is 'No two payments share a page';
comment on constraint checkouts_provider_id_check on checkouts is 'An id of the provider has 1 to 255 characters';
comment on constraint checkouts_url_check on checkouts is 'An address has 1 to 2000 characters';
comment on constraint checkouts_times_check on checkouts is 'Times lie between the years 1 and 9999';

create index checkouts_open_idx on checkouts (next_close_at) where next_close_at is not null;
comment on index checkouts_open_idx is 'Open pages by the time at which the worker closes them';

create table disputes (
    id text constraint disputes_pkey primary key
    constraint disputes_id_check check (length(id) between 1 and 255),
    payment_id bigint,
    amount_minor bigint constraint disputes_amount_check check (amount_minor between 0 and 1000000000000000),
    currency text constraint disputes_currency_check check (currency ~ '^[A-Z]{3}$'),
    status text constraint disputes_status_check check (length(status) between 1 and 100),
    reason text constraint disputes_reason_check check (length(reason) between 1 and 200),
    next_check_at timestamptz,
    created_at timestamptz not null default now(),
    constraint disputes_times_check check (
        next_check_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table disputes is 'Payments that the banks of their buyers dispute, in the state that the provider last reported';
comment on column disputes.id is 'The provider''s id of the dispute';
comment on column disputes.payment_id is 'The disputed payment; null: not fetched, or no payment of an order';
comment on column disputes.amount_minor is 'Disputed amount in minor units; null: not fetched';
comment on column disputes.currency is 'ISO 4217 code of the amount; null: not fetched';
comment on column disputes.status is 'The provider''s word for the state, such as needs_response, won or lost; null: not fetched';
comment on column disputes.reason is 'The provider''s word for the reason; null: not fetched';
comment on column disputes.next_check_at is 'Time at which the worker fetches the dispute; null: it is up to date';
comment on constraint disputes_pkey on disputes is 'The provider''s id identifies a dispute';
comment on constraint disputes_id_check on disputes is 'An id of the provider has 1 to 255 characters';
comment on constraint disputes_amount_check on disputes is 'An amount is at most 10^15 minor units';
comment on constraint disputes_currency_check on disputes is 'A currency has three capital letters';
comment on constraint disputes_status_check on disputes is 'A state has 1 to 100 characters';
comment on constraint disputes_reason_check on disputes is 'A reason has 1 to 200 characters';
comment on constraint disputes_times_check on disputes is 'Times lie between the years 1 and 9999';

create index disputes_open_idx on disputes (next_check_at) where next_check_at is not null;
comment on index disputes_open_idx is 'Disputes that have changed, for the worker';
