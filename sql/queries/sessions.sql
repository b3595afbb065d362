-- name: read_backend
-- Read the process id of the server session.
select pg_backend_pid() as pid;

-- name: list_role_settings
-- List the settings that every session of the role in this database has, as name=value; later ones take precedence.
select unnest(setconfig) as setting
from pg_db_role_setting
where
    setrole in (0, current_user::regrole)
    and setdatabase in (
        0,
        (
            select pg_database.oid
            from pg_database
            where pg_database.datname = current_database()
        )
    )
order by setrole <> 0, setdatabase <> 0;

-- name: apply_settings
-- Set settings of the session, or of the transaction if `local` is true. Skip settings that the server does not have.
-- Triggers write the history, and a session with another replication role would skip them. Only a superuser can set
-- that role, so the statement leaves the default alone.
select set_config(setting.name, setting.value, %(local)s) as applied
from unnest(%(names)s::text[], %(values)s::text[]) as setting (name, value)
where current_setting(setting.name, true) <> setting.value
union all
select set_config('session_replication_role', 'origin', %(local)s) as applied
where current_setting('session_replication_role') <> 'origin';

-- name: lacks_setting
-- Check that a role's value of a setting, null if it has none, differs from another value. Values have several forms,
-- such as 2s and 2000ms, and set_config returns one of them. No row: the server does not know the setting.
select
    case
        when %(configured)s::text is null then true
        else set_config(%(name)s, %(configured)s::text, true) <> set_config(%(name)s, %(value)s, true)
    end as lacks
where current_setting(%(name)s, true) is not null;
