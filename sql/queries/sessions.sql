-- name: read_backend
-- Read the process id of the server session.
select pg_backend_pid() as pid;

-- name: list_role_settings
-- List the settings that every session of the role in this database has, as name=value.
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
    );
