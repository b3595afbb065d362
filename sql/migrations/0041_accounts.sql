-- Accounts of buyers and staff: sessions, roles, links by e-mail with which they sign in, and limits of attempts.

create table accounts (
    id bigint generated always as identity constraint accounts_pkey primary key,
    public_id uuid not null default gen_random_uuid() constraint accounts_public_id_key unique,
    email text not null constraint accounts_email_check check (length(email) <= 254 and email ~ '^[^@\s]+@[^@\s]+$'),
    password_hash text constraint accounts_password_hash_check check (password_hash like '$argon2id$%'),
    locale text constraint accounts_locale_check check (locale in ('en', 'de', 'ar')),
    verified_at timestamptz,
    created_at timestamptz not null default now(),
    constraint accounts_verified_check check (password_hash is null or verified_at is not null),
    constraint accounts_times_check check (
        verified_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table accounts is 'Buyers and staff who sign in. The first sign-in by e-mail makes the account, or a grant of a role before it';
comment on column accounts.public_id is 'Identifier in tokens and in names of buyers, which reveals no number of accounts';
comment on column accounts.email is 'Address in the spelling of the first sign-in or grant';
comment on column accounts.password_hash is 'Hash by Argon2id with its parameters; null: no sign-in by password';
comment on column accounts.locale is 'Language of messages; null: unknown';
comment on column accounts.verified_at is 'Time of the first sign-in with a link to the address; null: only a role was granted';
comment on constraint accounts_pkey on accounts is 'The id identifies an account';
comment on constraint accounts_public_id_key on accounts is 'The public id identifies an account';
comment on constraint accounts_email_check on accounts is 'An address has one @ and no blanks, and at most 254 characters';
comment on constraint accounts_password_hash_check on accounts is 'Only Argon2id hashes passwords';
comment on constraint accounts_locale_check on accounts is 'Messages have one of the languages of the web app';
comment on constraint accounts_verified_check on accounts is 'Only the owner of the address can set a password';
comment on constraint accounts_times_check on accounts is 'Times lie between the years 1 and 9999';

create unique index accounts_email_key on accounts (lower(email));
comment on index accounts_email_key is 'An address has one account';

create table account_sessions (
    id uuid not null default gen_random_uuid() constraint account_sessions_pkey primary key,
    account_id bigint not null constraint account_sessions_account_id_fkey references accounts (id),
    generation integer not null default 1 constraint account_sessions_generation_check check (generation > 0),
    token_digest bytea not null constraint account_sessions_token_digest_check check (length(token_digest) = 32),
    previous_digest bytea constraint account_sessions_previous_digest_check check (length(previous_digest) = 32),
    created_at timestamptz not null default now(),
    rotated_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    revoked_reason text constraint account_sessions_revoked_reason_check check (
        revoked_reason in ('sign_out', 'everywhere', 'replay', 'password')
    ),
    constraint account_sessions_previous_check check ((previous_digest is null) = (generation = 1)),
    constraint account_sessions_revoked_check check ((revoked_at is null) = (revoked_reason is null)),
    constraint account_sessions_times_check check (
        created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and rotated_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and expires_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and revoked_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table account_sessions is 'Sessions of signed-in browsers. Each refresh replaces the refresh token by the next generation';
comment on column account_sessions.generation is 'Number of the present refresh token, from 1';
comment on column account_sessions.token_digest is 'SHA-256 of the present refresh token';
comment on column account_sessions.previous_digest is 'SHA-256 of the refresh token before; null in the first generation';
comment on column account_sessions.rotated_at is 'Time at which the present refresh token replaced the one before';
comment on column account_sessions.revoked_reason is 'sign_out: by its browser; everywhere: with all sessions of the account; replay: an older refresh token was used; password: the password was changed in another session';
comment on constraint account_sessions_pkey on account_sessions is 'The id identifies a session';
comment on constraint account_sessions_account_id_fkey on account_sessions is 'A session belongs to an account';
comment on constraint account_sessions_generation_check on account_sessions is 'Generations are counted from 1';
comment on constraint account_sessions_token_digest_check on account_sessions is 'A digest is a SHA-256';
comment on constraint account_sessions_previous_digest_check on account_sessions is 'A digest is a SHA-256';
comment on constraint account_sessions_revoked_reason_check on account_sessions is 'A session is revoked for one of four reasons';
comment on constraint account_sessions_previous_check on account_sessions is 'Exactly a later generation replaces a token';
comment on constraint account_sessions_revoked_check on account_sessions is 'Exactly a revoked session has a reason';
comment on constraint account_sessions_times_check on account_sessions is 'Times lie between the years 1 and 9999';

create index account_sessions_live_idx on account_sessions (account_id) where revoked_at is null;
comment on index account_sessions_live_idx is 'Sessions of an account, to revoke all of them';

create index account_sessions_revoked_idx on account_sessions (revoked_at) where revoked_at is not null;
comment on index account_sessions_revoked_idx is 'Sessions whose access tokens are refused, the latest of them first';

create index account_sessions_expires_idx on account_sessions (expires_at);
comment on index account_sessions_expires_idx is 'Sessions to purge, the first to expire first';

create table grants (
    id bigint generated always as identity constraint grants_pkey primary key,
    account_id bigint not null constraint grants_account_id_fkey references accounts (id),
    role text not null constraint grants_role_check check (role in ('box_office', 'organiser', 'door', 'admin')),
    event_id integer constraint grants_event_id_fkey references events (id),
    granted_by text not null constraint grants_granted_by_check check (length(granted_by) between 1 and 128),
    granted_at timestamptz not null default now(),
    revoked_by text constraint grants_revoked_by_check check (length(revoked_by) between 1 and 128),
    revoked_at timestamptz,
    constraint grants_revoked_check check ((revoked_at is null) = (revoked_by is null)),
    constraint grants_times_check check (
        granted_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and revoked_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table grants is 'Roles of accounts. A revoked grant stays, so that the table shows who had a role at a time';
comment on column grants.event_id is 'Event of the role; null: all events';
comment on column grants.granted_by is 'Account that granted the role, as acct: and its public id, or command line';
comment on column grants.revoked_by is 'Account that revoked the role, or command line; null: the role is granted';
comment on constraint grants_pkey on grants is 'The id identifies a grant';
comment on constraint grants_account_id_fkey on grants is 'A role belongs to an account';
comment on constraint grants_role_check on grants is 'Staff have one of four roles; everybody else is a buyer';
comment on constraint grants_event_id_fkey on grants is 'A role applies to an event, or to all';
comment on constraint grants_granted_by_check on grants is 'Every grant has an author';
comment on constraint grants_revoked_by_check on grants is 'An author has a name';
comment on constraint grants_revoked_check on grants is 'Exactly a revoked grant has an author of its revocation';
comment on constraint grants_times_check on grants is 'Times lie between the years 1 and 9999';

create unique index grants_live_key on grants (account_id, role, coalesce(event_id, 0)) where revoked_at is null;
comment on index grants_live_key is 'An account has a role for an event, or for all events, once';

create table sign_in_links (
    id uuid not null default gen_random_uuid() constraint sign_in_links_pkey primary key,
    message_id bigint not null constraint sign_in_links_message_id_key unique,
    email text not null constraint sign_in_links_email_check check (
        length(email) <= 254 and email ~ '^[^@\s]+@[^@\s]+$'
    ),
    locale text not null constraint sign_in_links_locale_check check (locale in ('en', 'de', 'ar')),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    constraint sign_in_links_times_check check (
        created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and expires_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and used_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table sign_in_links is 'Links in e-mails with which the owner of an address signs in once. The API derives their tokens from the id, so that no copy of the table gives access';
comment on column sign_in_links.message_id is 'Message that contains the link';
comment on column sign_in_links.used_at is 'Time of the sign-in; null: not used';
comment on constraint sign_in_links_pkey on sign_in_links is 'The id identifies a link';
comment on constraint sign_in_links_message_id_key on sign_in_links is 'A message has one link';
comment on constraint sign_in_links_email_check on sign_in_links is 'An address has one @ and no blanks, and at most 254 characters';
comment on constraint sign_in_links_locale_check on sign_in_links is 'Messages have one of the languages of the web app';
comment on constraint sign_in_links_times_check on sign_in_links is 'Times lie between the years 1 and 9999';

create index sign_in_links_expires_idx on sign_in_links (expires_at);
comment on index sign_in_links_expires_idx is 'Links to purge, the first to expire first';

create table sign_in_limits (
    key bytea not null constraint sign_in_limits_pkey primary key,
    tried_at timestamptz[] not null,
    constraint sign_in_limits_key_check check (length(key) = 32),
    constraint sign_in_limits_tried_at_check check (cardinality(tried_at) > 0),
    constraint sign_in_limits_times_check check (
        '0001-01-02 00:00:00+00' <= all(tried_at)
        and '9999-12-30 23:59:59.999999+00' >= all(tried_at)
        and array_position(tried_at, null) is null
    )
);
comment on table sign_in_limits is 'Times of the recent attempts to sign in with a password, for each address. A guarded update of the row enforces the limit per minute';
comment on column sign_in_limits.key is 'SHA-256 of the address in lower case, because anybody may try any address';
comment on column sign_in_limits.tried_at is 'Times of the attempts of the last minute; older times may remain';
comment on constraint sign_in_limits_pkey on sign_in_limits is 'An address has one row, which serializes concurrent attempts';
comment on constraint sign_in_limits_key_check on sign_in_limits is 'A key is a SHA-256';
comment on constraint sign_in_limits_tried_at_check on sign_in_limits is 'An address without recent attempts has no row';
comment on constraint sign_in_limits_times_check on sign_in_limits is 'Times lie between the years 1 and 9999';

-- A guest's order is not in this index, so that a guest's booking writes no entry of it.
create index orders_account_idx on orders (account_id, id) where account_id is not null;
comment on index orders_account_idx is 'Orders of an account, the newest last';

-- The e-mail with the link is a message without an order, like the e-mail with the links to the orders of an address.
alter table messages drop constraint messages_kind_check;
alter table messages add constraint messages_kind_check check (
    kind in ('held', 'confirmed', 'declined', 'expired', 'cancelled', 'returned', 'refunded', 'links', 'sign_in')
);
comment on constraint messages_kind_check on messages is 'A message has a template';
alter table messages drop constraint messages_order_id_check;
alter table messages add constraint messages_order_id_check check ((order_id is null) = (kind in ('links', 'sign_in')));
comment on constraint messages_order_id_check on messages is 'Every message is about one order, except for a list of links and a link to sign in';
