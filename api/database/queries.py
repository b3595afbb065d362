"""The named SQL statements of this system, loaded from `sql/queries/*.sql` at import.

Each file holds the statements of one noun. A statement begins with `-- name: verb_noun`, followed by comment lines
(its purpose, `Locks:`, `Isolation:`, `Fails:`). `queries.tickets.lock_tickets` is a `Query`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import msgspec

SQL_DIR = Path(__file__).resolve().parent.parent.parent / "sql"

_HEADER = re.compile(r"^-- name: (?P<name>\S+)\n", re.MULTILINE)
_PARAMETER = re.compile(r"%\((\w+)\)s")


class Query(msgspec.Struct, frozen=True):
    """A statement with its name (`noun.verb_noun`).

    `sql` begins with the name as a comment, which `pg_stat_activity` and the server's log show. The header's comments
    are only in `doc`: psycopg reads `sql` as a template, in which a `%` of a comment would be an error.
    """

    name: str
    doc: str
    sql: LiteralString
    server_sql: bytes
    """The statement with `$1` for the first name of `parameters`, `$2` for the second."""
    parameters: tuple[str, ...]


class Noun:
    """The statements of one file as attributes."""

    def __init__(self, path: Path) -> None:
        self._queries = {query.name.partition(".")[2]: query for query in _parse(path)}

    def __getattr__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            raise AttributeError(f"no statement {name}; there are {sorted(self._queries)}") from None

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries.values())


def _parse(path: Path) -> list[Query]:
    parts = _HEADER.split(path.read_text(encoding="utf-8"))
    queries = []
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        lines = body.strip().splitlines()
        doc = [line for line in lines if line.startswith("--")]
        statement = "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip().rstrip(";")
        full_name = f"{path.stem}.{name}"
        # The repository's SQL files are as trustworthy as a literal string in the source.
        sql = f"/* {full_name} */ {statement}"
        server_sql, parameters = _for_server(sql)
        queries.append(
            Query(
                name=full_name,
                doc="\n".join(line.removeprefix("--").strip() for line in doc),
                sql=sql,
                server_sql=server_sql,
                parameters=parameters,
            )
        )
    return queries


def _for_server(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """Replace named parameters by numbers; return the names in the order of the numbers."""
    names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
    if not names:
        return sql.encode(), ()
    numbered = _PARAMETER.sub(lambda parameter: f"${names.index(parameter[1]) + 1}", sql)
    return numbered.replace("%%", "%").encode(), names


account_sessions = Noun(SQL_DIR / "queries" / "account_sessions.sql")
accounts = Noun(SQL_DIR / "queries" / "accounts.sql")
audit = Noun(SQL_DIR / "queries" / "audit.sql")
audit_accounts = Noun(SQL_DIR / "queries" / "audit_accounts.sql")
audit_cancellations = Noun(SQL_DIR / "queries" / "audit_cancellations.sql")
audit_histories = Noun(SQL_DIR / "queries" / "audit_histories.sql")
audit_messages = Noun(SQL_DIR / "queries" / "audit_messages.sql")
audit_money = Noun(SQL_DIR / "queries" / "audit_money.sql")
availability = Noun(SQL_DIR / "queries" / "availability.sql")
bench = Noun(SQL_DIR / "queries" / "bench.sql")
bookings = Noun(SQL_DIR / "queries" / "bookings.sql")
buyers = Noun(SQL_DIR / "queries" / "buyers.sql")
cancellations = Noun(SQL_DIR / "queries" / "cancellations.sql")
checkouts = Noun(SQL_DIR / "queries" / "checkouts.sql")
desk_orders = Noun(SQL_DIR / "queries" / "desk_orders.sql")
disputes = Noun(SQL_DIR / "queries" / "disputes.sql")
event_changes = Noun(SQL_DIR / "queries" / "event_changes.sql")
events = Noun(SQL_DIR / "queries" / "events.sql")
feeds = Noun(SQL_DIR / "queries" / "feeds.sql")
grants = Noun(SQL_DIR / "queries" / "grants.sql")
health = Noun(SQL_DIR / "queries" / "health.sql")
history = Noun(SQL_DIR / "queries" / "history.sql")
limits = Noun(SQL_DIR / "queries" / "limits.sql")
message_requests = Noun(SQL_DIR / "queries" / "message_requests.sql")
messages = Noun(SQL_DIR / "queries" / "messages.sql")
migrations = Noun(SQL_DIR / "queries" / "migrations.sql")
orders = Noun(SQL_DIR / "queries" / "orders.sql")
passkeys = Noun(SQL_DIR / "queries" / "passkeys.sql")
payments = Noun(SQL_DIR / "queries" / "payments.sql")
reconciliation = Noun(SQL_DIR / "queries" / "reconciliation.sql")
refunds = Noun(SQL_DIR / "queries" / "refunds.sql")
replication = Noun(SQL_DIR / "queries" / "replication.sql")
sessions = Noun(SQL_DIR / "queries" / "sessions.sql")
sign_ins = Noun(SQL_DIR / "queries" / "sign_ins.sql")
states = Noun(SQL_DIR / "queries" / "states.sql")
tickets = Noun(SQL_DIR / "queries" / "tickets.sql")
tiers = Noun(SQL_DIR / "queries" / "tiers.sql")
undelivered = Noun(SQL_DIR / "queries" / "undelivered.sql")
webhooks = Noun(SQL_DIR / "queries" / "webhooks.sql")
workers = Noun(SQL_DIR / "queries" / "workers.sql")

NOUNS = (
    account_sessions,
    accounts,
    audit,
    audit_accounts,
    audit_cancellations,
    audit_histories,
    audit_messages,
    audit_money,
    availability,
    bench,
    bookings,
    buyers,
    cancellations,
    checkouts,
    desk_orders,
    disputes,
    event_changes,
    events,
    feeds,
    grants,
    health,
    history,
    limits,
    message_requests,
    messages,
    migrations,
    orders,
    passkeys,
    payments,
    reconciliation,
    refunds,
    replication,
    sessions,
    sign_ins,
    states,
    tickets,
    tiers,
    undelivered,
    webhooks,
    workers,
)
