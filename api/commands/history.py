"""`python -m api history`: shows the holder of a ticket at a given time, and the changes of an order."""

from datetime import UTC, datetime

import msgspec
from psycopg.rows import class_row

from api.database import queries
from api.database.migrations import connect, unlimited_transaction


class Change(msgspec.Struct, frozen=True):
    """A row of `history.list_order` and `history.list_ticket`."""

    at: datetime
    reference: str
    user_id: str
    subject: str
    """One of `order`, `payment`, `line` (a ticket that was returned by itself), `refund` and `event`."""
    detail: int | None
    """The id of the booking, the refund or the change of the event; None for the order and its payment."""
    previous: str | None
    """The status before; None for a new order or refund, and for a change of the event."""
    status: str
    reason: str | None


class Holder(msgspec.Struct, frozen=True):
    """A row of `history.find_holder`: the order that held or owned a ticket, with its status since `since`."""

    reference: str
    user_id: str
    status: str
    since: datetime


def order_history(conninfo: str, reference: str) -> list[Change]:
    """Return the changes of the order with a reference, oldest first."""
    return _changes(conninfo, queries.history.list_order, {"reference": reference})


def ticket_history(conninfo: str, ticket_id: int) -> list[Change]:
    """Return the changes of all orders that held or bought a ticket, oldest first."""
    return _changes(conninfo, queries.history.list_ticket, {"ticket_id": ticket_id})


def ticket_exists(conninfo: str, ticket_id: int) -> bool:
    """Return True if a ticket has this id."""
    with connect(conninfo) as connection, unlimited_transaction(connection):
        found = connection.execute(queries.history.ticket_exists.sql, {"ticket_id": ticket_id}).fetchone()
    return bool(found and found[0])


def holder_at(conninfo: str, ticket_id: int, at: datetime) -> Holder | None:
    """Return the holder of a ticket at a given time; None if the ticket was available."""
    with connect(conninfo) as connection, unlimited_transaction(connection):
        cursor = connection.cursor(row_factory=class_row(Holder))
        return cursor.execute(queries.history.find_holder.sql, {"ticket_id": ticket_id, "at": at}).fetchone()


def _changes(conninfo: str, query: queries.Query, parameters: dict[str, object]) -> list[Change]:
    with connect(conninfo) as connection, unlimited_transaction(connection):
        return connection.cursor(row_factory=class_row(Change)).execute(query.sql, parameters).fetchall()


def report_holder(holder: Holder | None) -> str:
    """Format the holder of a ticket for people."""
    if holder is None:
        return "The ticket was available."
    return f"{holder.reference} of {holder.user_id}, {holder.status} since {_in_utc(holder.since)}"


def report(changes: list[Change]) -> str:
    """Format changes for people, one on each line."""
    return "\n".join(
        f"{_in_utc(change.at)}  {change.reference}  of {change.user_id}:  {_subject(change)} "
        f"{change.previous or 'new'} -> {change.status}{f' ({change.reason})' if change.reason else ''}"
        for change in changes
    )


def _subject(change: Change) -> str:
    return change.subject if change.detail is None else f"{change.subject} {change.detail}"


def _in_utc(time: datetime) -> str:
    """Format a time in UTC. The database returns times in the time zone of the session."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
