"""The application's role has exactly the privileges that its statements need, and only the server's users connect."""

from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import Connection, sql

from api.config import Settings
from api.database import queries
from api.database.embedded import EmbeddedServer, database_url, direct_database_url
from api.database.migrations import migrate
from api.database.pool import open_pool
from api.database.queries import Query
from api.database.roles import APPLICATION, OWNER
from api.errors import SetupError
from api.services.health import find_obstacle
from tests.stack import application_url, empty_database, temporary_directory, throw_away_server

OF_OWNER = {
    *("migrations.create_table", "migrations.insert_migration"),
    *(query.name for query in queries.migrations if query.name.startswith("migrations.drop_")),
    *("feeds.are_foreign", "feeds.rebase_feeds"),
    *("events.upsert_event", "events.lock_event", "tiers.insert_tiers"),
    *("tickets.insert_seated_tickets", "tickets.insert_standing_tickets"),
}
"""The statements of the migrations, the seed and the reset."""
OF_APPLICATION = [query for noun in queries.NOUNS for query in noun if query.name not in OF_OWNER]

FORBIDDEN: tuple[LiteralString, ...] = (
    "create table mine (id integer)",
    "create role mine",
    "create function mine() returns integer language sql return 1",
    "alter table tickets add column mine integer",
    "alter table order_events disable trigger all",
    "drop table tickets",
    "truncate tickets",
    "truncate order_events",
    "update order_events set reason = 'mine'",
    "delete from order_events",
    "insert into events default values",
    "update events set name = 'mine'",
    "update tiers set price_minor = 0",
    "insert into tickets default values",
    "delete from tickets",
    "update migrations set name = 'mine'",
    "delete from migrations",
    "alter system set fsync = off",
    "set session_replication_role = replica",
    "copy tickets to program 'true'",
    "checkpoint",
)

ORDER = """
    insert into orders (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency)
    select id, %s, 'user', sha256('x'), %s, 1, 100, 'USD' from events returning id
"""


@pytest.fixture
def owner(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def application(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(application_url(database_url), autocommit=True) as conn:
        yield conn


def denied(conn: Connection, query: Query) -> bool:
    """Return True if the role of a connection lacks a privilege for a statement."""
    try:
        # An explanation starts the statement, which checks the privileges, and does not run it.
        conn.execute(b"explain (generic_plan) " + query.server_sql)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def denied_after(conn: Connection, revocation: sql.Composed) -> set[str]:
    """Return the statements that a revocation denies to the application's role."""
    with conn.transaction(force_rollback=True):
        conn.execute(revocation)
        conn.execute(sql.SQL("set local role {}").format(sql.Identifier(APPLICATION)))
        found = set()
        for query in OF_APPLICATION:
            with conn.transaction(force_rollback=True):
                if denied(conn, query):
                    found.add(query.name)
    return found


@pytest.mark.parametrize("query", OF_APPLICATION, ids=lambda query: query.name)
def test_the_application_may_run_its_statements(unchanged_url: str, query: Query) -> None:
    with psycopg.connect(application_url(unchanged_url)) as application:
        assert not denied(application, query)


def test_every_privilege_is_needed(owner: Connection) -> None:
    role = sql.Identifier(APPLICATION)
    privileges = owner.execute(
        """
        select table_name, privilege_type from information_schema.table_privileges
        where grantee = %s and table_schema = 'public'
        """,
        [APPLICATION],
    ).fetchall()
    assert len(privileges) > 20
    for table, privilege in privileges:
        revocation = sql.SQL("revoke {} on {} from {}").format(sql.SQL(privilege), sql.Identifier(table), role)
        needed_by_trigger = (table, privilege) == ("order_events", "INSERT")
        assert needed_by_trigger or denied_after(owner, revocation), f"{privilege} on {table}"


def test_the_application_cannot_change_the_schema_the_offer_or_the_history(application: Connection) -> None:
    allowed = []
    for statement in FORBIDDEN:
        try:
            application.execute(statement)
            allowed.append(statement)
        except psycopg.errors.InsufficientPrivilege:
            pass
    assert allowed == []


def test_only_triggers_act_with_the_privileges_of_the_owner(owner: Connection) -> None:
    callable_functions = owner.execute(
        """
        select proname from pg_proc
        where pronamespace = 'public'::regnamespace and prosecdef and prorettype <> 'trigger'::regtype
        """
    ).fetchall()
    assert callable_functions == []


def test_no_trigger_function_can_be_attached_to_another_table(owner: Connection, application: Connection) -> None:
    owner.execute(sql.SQL("grant temporary on database {} to public").format(sql.Identifier(owner.info.dbname)))
    application.execute(ORDER, ["sold", "confirmed"])
    application.execute("create temporary table bait (id bigint, status text)")
    functions = owner.execute(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace and prorettype = 'trigger'::regtype"
    ).fetchall()
    assert ("purge_history",) in functions
    for (function,) in functions:
        attack = sql.SQL(
            "create trigger attack after delete on bait referencing old table as deleted for each statement "
            "execute function {}()"
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute(attack.format(sql.Identifier(function)))
    application.execute("insert into bait select id, 'declined' from orders")
    application.execute("delete from bait")
    assert owner.execute("select status from order_events").fetchall() == [("confirmed",)]


@pytest.mark.parametrize("grantee", ["public", APPLICATION])
def test_a_migration_revokes_temporary_tables(owner: Connection, database_url: str, grantee: str) -> None:
    database = sql.Identifier(owner.info.dbname)
    role = sql.SQL("public") if grantee == "public" else sql.Identifier(grantee)
    owner.execute(sql.SQL("grant temporary on database {} to {}").format(database, role))
    assert migrate(database_url) == []
    with (
        psycopg.connect(application_url(database_url), autocommit=True) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute("create temporary table mine (id integer)")


def test_the_history_of_a_purged_order_is_deleted_and_any_other_stays(
    owner: Connection, application: Connection
) -> None:
    for reference, status in (("sold", "confirmed"), ("refused", "declined")):
        application.execute(ORDER, [reference, status])
    application.execute("delete from orders")
    assert owner.execute("select status from order_events").fetchall() == [("confirmed",)]


def test_a_migration_restores_the_privileges(owner: Connection, database_url: str) -> None:
    role = sql.Identifier(APPLICATION)
    owner.execute(sql.SQL("revoke all on all tables in schema public from {}").format(role))
    owner.execute(sql.SQL("grant truncate, delete on tickets to {}").format(role))
    assert migrate(database_url) == []
    with psycopg.connect(application_url(database_url), autocommit=True) as conn:
        assert not any(denied(conn, query) for query in OF_APPLICATION)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("delete from tickets")


async def test_an_application_with_its_privileges_can_sell_and_one_without_cannot(
    owner: Connection, database_url: str
) -> None:
    settings = Settings(database_url=application_url(database_url))
    async with open_pool(settings.database_url or "", settings) as pool:
        assert await find_obstacle(pool, settings) is None
        owner.execute(sql.SQL("revoke select on order_events from {}").format(sql.Identifier(APPLICATION)))
        obstacle = await find_obstacle(pool, settings)
        assert obstacle == "the database role lacks privileges: SELECT on order_events"


def test_the_application_may_start_the_migrations_only_if_none_is_missing(
    server: EmbeddedServer, database_url: str
) -> None:
    assert migrate(application_url(database_url)) == []
    with empty_database(server) as url:
        refusal = r"The role 'tickets_app' cannot apply the migrations .*: set DATABASE_DIRECT_URL"
        with pytest.raises(SetupError, match=refusal):
            migrate(application_url(url))


def test_the_embedded_server_gives_each_command_its_role() -> None:
    with temporary_directory() as directory:
        settings = Settings(data_dir=directory / "data")
        with direct_database_url(settings) as url, psycopg.connect(url) as conn:
            assert conn.info.user == OWNER
            migrate(url)
            with database_url(settings) as application_role_url:
                assert application_role_url == application_url(url)
                with psycopg.connect(application_role_url) as application:
                    assert application.info.user == APPLICATION
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        application.execute("create temporary table mine (id integer)")


def test_the_embedded_server_admits_only_its_roles_and_users(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as conn:
        rules = conn.execute("select type, auth_method, options from pg_hba_file_rules").fetchall()
        assert rules == [("local", "peer", ["map=tickets"])] * 2
        conn.execute("create role stranger login")
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
            psycopg.connect(server.url("postgres", "stranger"))
        conn.execute("drop role stranger")


def test_data_of_an_earlier_version_gets_the_role_and_the_authentication() -> None:
    with temporary_directory() as directory:
        settings = Settings(data_dir=directory / "data")
        with throw_away_server(settings.data_dir) as server, psycopg.connect(server.url("postgres")) as conn:
            conn.execute(sql.SQL("drop role {}").format(sql.Identifier(APPLICATION)))
        (server.cluster / "pg_hba.conf").write_text("local all all trust\n")
        with direct_database_url(settings) as url:
            migrate(url)
        with database_url(settings) as url, psycopg.connect(url) as conn:
            assert conn.execute("select count(*) from tickets").fetchone() == (0,)
            assert Path(server.cluster, "pg_hba.conf").read_text().count("trust") == 0
