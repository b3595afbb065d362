-- Passkeys with which an account signs in, and the challenges of their ceremonies.

create table passkeys (
    id uuid not null default gen_random_uuid() constraint passkeys_pkey primary key,
    account_id bigint not null constraint passkeys_account_id_fkey references accounts (id) on delete cascade,
    credential_id bytea not null constraint passkeys_credential_id_key unique,
    public_key bytea not null,
    sign_count bigint not null,
    transports text[] not null,
    name text not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    constraint passkeys_credential_id_check check (length(credential_id) between 1 and 1023),
    constraint passkeys_public_key_check check (length(public_key) between 1 and 2048),
    constraint passkeys_sign_count_check check (sign_count between 0 and 4294967295),
    constraint passkeys_transports_check check (cardinality(transports) <= 8),
    constraint passkeys_texts_check check (is_displayable(name)),
    constraint passkeys_times_check check (
        created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and last_used_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table passkeys is 'Public keys with which accounts sign in without a password. The private keys stay on the devices of their owners';
comment on column passkeys.credential_id is 'Identifier that the authenticator has drawn';
comment on column passkeys.public_key is 'Public key in the form of COSE';
comment on column passkeys.sign_count is 'Signatures of the authenticator so far; 0: it does not count them';
comment on column passkeys.transports is 'Connections to the authenticator, such as internal or usb, as the browser has named them';
comment on column passkeys.name is 'Name by which the owner recognises the passkey';
comment on column passkeys.last_used_at is 'Time of the last sign-in; null: none yet';
comment on constraint passkeys_pkey on passkeys is 'The id identifies a passkey';
comment on constraint passkeys_account_id_fkey on passkeys is 'A passkey belongs to an account, and ends with it';
comment on constraint passkeys_credential_id_key on passkeys is 'A credential signs in to one account';
comment on constraint passkeys_credential_id_check on passkeys is 'WebAuthn limits a credential id to 1023 bytes';
comment on constraint passkeys_public_key_check on passkeys is 'A public key of an accepted algorithm is shorter than 2 kB';
comment on constraint passkeys_sign_count_check on passkeys is 'An authenticator counts with 32 bits';
comment on constraint passkeys_transports_check on passkeys is 'There are less than nine transports';
comment on constraint passkeys_texts_check on passkeys is 'Pages can show the name';
comment on constraint passkeys_times_check on passkeys is 'Times lie between the years 1 and 9999';

create index passkeys_account_idx on passkeys (account_id, created_at);
comment on index passkeys_account_idx is 'Passkeys of an account, the oldest first';

create table passkey_challenges (
    challenge bytea not null constraint passkey_challenges_pkey primary key,
    account_id bigint constraint passkey_challenges_account_id_fkey references accounts (id) on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    constraint passkey_challenges_challenge_check check (length(challenge) = 32),
    constraint passkey_challenges_times_check check (
        created_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
        and expires_at between '0001-01-02 00:00:00+00' and '9999-12-30 23:59:59.999999+00'
    )
);
comment on table passkey_challenges is 'Random challenges that authenticators sign. The first response to a challenge deletes it, so that no response works twice';
comment on column passkey_challenges.account_id is 'Account that adds a passkey; null: a sign-in, whose account is not known yet';
comment on constraint passkey_challenges_pkey on passkey_challenges is 'A challenge is drawn once';
comment on constraint passkey_challenges_account_id_fkey on passkey_challenges is 'A challenge to add a passkey belongs to an account, and ends with it';
comment on constraint passkey_challenges_challenge_check on passkey_challenges is 'A challenge has 32 random bytes';
comment on constraint passkey_challenges_times_check on passkey_challenges is 'Times lie between the years 1 and 9999';

create index passkey_challenges_expires_idx on passkey_challenges (expires_at);
comment on index passkey_challenges_expires_idx is 'Challenges to purge, the first to expire first';
