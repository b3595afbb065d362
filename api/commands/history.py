"""What happened to an order or a ticket: who held this seat at that time, and why an order is as it is."""

from datetime import datetime

import msgspec
import psycopg
from psycopg.rows import class_row

from api.database import queries


class Event(msgspec.Struct, frozen=True):
    """A row of `history.list_order` and `history.list_ticket`; `previous` is None for an order that is new."""

    at: datetime
    reference: str
    user_id: str
    subject: str
    previous: str | None
    status: str
    reason: str | None


class Holder(msgspec.Struct, frozen=True):
    """A row of `history.find_holder`: whose a ticket was, in which state of the order, and since when."""

    reference: str
    user_id: str
    status: str
    since: datetime


def of_order(conninfo: str, reference: str) -> list[Event]:
    """Return what happened to the order of a reference."""
    return _events(conninfo, queries.history.list_order, {"reference": reference})


def of_ticket(conninfo: str, ticket_id: int) -> list[Event]:
    """Return what happened to all orders that ever held or bought a ticket."""
    return _events(conninfo, queries.history.list_ticket, {"ticket_id": ticket_id})


def holder(conninfo: str, ticket_id: int, at: datetime) -> Holder | None:
    """Return whose a ticket was at a time; None: it was free."""
    with psycopg.connect(conninfo, connect_timeout=10) as connection:
        cursor = connection.cursor(row_factory=class_row(Holder))
        return cursor.execute(queries.history.find_holder.sql, {"ticket_id": ticket_id, "at": at}).fetchone()


def _events(conninfo: str, query: queries.Query, parameters: dict[str, object]) -> list[Event]:
    with psycopg.connect(conninfo, connect_timeout=10) as connection:
        return connection.cursor(row_factory=class_row(Event)).execute(query.sql, parameters).fetchall()


def report(events: list[Event]) -> str:
    """Write a history for people, one line for each event."""
    return "\n".join(
        f"{event.at:%Y-%m-%d %H:%M:%S.%f} UTC  {event.reference}  of {event.user_id}:  {event.subject} "
        f"{event.previous or 'new'} -> {event.status}{f' ({event.reason})' if event.reason else ''}"
        for event in events
    )
