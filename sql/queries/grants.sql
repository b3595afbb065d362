-- name: list_grants
-- List the roles of an account, or of all accounts for null. A limit of null lists all.
select
    grants.id,
    accounts.email,
    grants.role,
    events.slug as event,
    grants.granted_at
from grants
inner join accounts on grants.account_id = accounts.id
left join events on grants.event_id = events.id
where
    grants.revoked_at is null
    and (%(account_id)s::bigint is null or grants.account_id = %(account_id)s::bigint)
order by lower(accounts.email), grants.role, events.slug nulls first
limit %(limit)s::bigint;

-- name: find_event
-- Find the event of a role.
select id
from events
where slug = %(event)s;

-- name: insert_grant
-- Grant an account a role for an event, or for all events, unless it has that role.
-- Locks: waits for an unfinished transaction that grants the same.
insert into grants (account_id, role, event_id, granted_by)
select
    id,
    %(role)s,
    %(event_id)s,
    %(author)s
from accounts
where lower(email) = lower(%(email)s::text)
on conflict (account_id, role, coalesce(event_id, 0)) where revoked_at is null do nothing;

-- name: revoke_role
-- Revoke a role of the account of an address. An unknown event has no role.
-- Locks: the grant, FOR UPDATE; waits.
update grants
set
    revoked_at = now(),
    revoked_by = %(author)s
from accounts
where
    grants.account_id = accounts.id
    and lower(accounts.email) = lower(%(email)s::text)
    and grants.role = %(role)s
    and grants.revoked_at is null
    and (
        (%(event)s::text is null and grants.event_id is null)
        or grants.event_id = (
            select events.id
            from events
            where events.slug = %(event)s::text
        )
    )
returning grants.id;

-- name: revoke_grant
-- Revoke a role.
-- Locks: the grant, FOR UPDATE; waits.
update grants
set
    revoked_at = now(),
    revoked_by = %(author)s
where id = %(grant_id)s and revoked_at is null
returning id;
