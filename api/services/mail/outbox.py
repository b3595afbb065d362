"""The outbox: messages that are queued with the history, claimed for an attempt, and marked with its outcome.

The feed queues each message once. A claim moves the next attempt into the future, so that it acts as a lease: another
worker tries again if the first one marks nothing. Only a crash between the acceptance by the mail server and the mark
sends a message twice. Both copies have the same Message-ID, by which mailboxes recognize the duplicate.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.schemas import Locale
from api.services.feed import FeedEvent, read_feed
from api.services.order_rows import EVENT_CANCELLED

Kind = Literal[
    "held",
    "confirmed",
    "declined",
    "expired",
    "cancelled",
    "event_cancelled",
    "event_changed",
    "returned",
    "refunded",
    "links",
    "sign_in",
    "passkey_added",
    "passkey_deleted",
    "password_changed",
]
"""`links` lists the orders of an address, and `sign_in` has a link to sign in. `Notice` has the messages to an account.

The others are about one order.
"""
Notice = Literal["passkey_added", "passkey_deleted", "password_changed"]
"""A change to how an account signs in. The owner has to learn of it, because a stranger may have made it."""
NOTICES: Final[frozenset[Kind]] = frozenset(get_args(Notice))
Outcome = Literal["queued", "sent", "bounced", "dead", "skipped"]
"""The status after an attempt. `queued`: another attempt follows. `bounced`: the server refuses the message for good.

`dead`: the last attempt failed as well. `skipped`: the message is no longer true.
"""

FEED = "mail"
ERROR_MAX = 500
"""Length of the longest stored response of a mail server, in characters."""
HELD_DELAY_S = 60
"""Time from a hold until its message. Most payments are decided before, and the message is then skipped."""
LEASE_S = 120
"""Time from the first attempt to the second one, in seconds. It doubles with each attempt, up to `PAUSE_MAX_S`."""
PAUSE_MAX_S = 3600
UNLIMITED = 2**31 - 1
"""The limit for statements if the setting is 0."""
_READ_MAX = 2000
"""Entries of the history that one transaction reads."""
_PURGED_MAX = 10_000
"""Messages that one statement gives up or purges."""

_KINDS: Mapping[tuple[str, str | None, str], Kind] = {
    ("order", None, "pending"): "held",
    ("order", None, "confirmed"): "confirmed",
    ("order", "pending", "confirmed"): "confirmed",
    ("order", "expired", "confirmed"): "confirmed",
    ("order", None, "declined"): "declined",
    ("order", "pending", "declined"): "declined",
    ("order", "pending", "expired"): "expired",
    ("order", "pending", "cancelled"): "cancelled",
    ("order", "confirmed", "cancelled"): "cancelled",
    ("refund", None, "requested"): "returned",
    ("refund", None, "succeeded"): "returned",
    ("payment", "refunding", "refunded"): "refunded",
    ("event", None, "changed"): "event_changed",
}
"""The message that announces a change, by the changed subject, its previous and its new state."""


class Claimed(msgspec.Struct, frozen=True):
    """A row of `messages.claim_message`."""

    id: int
    kind: Kind
    order_id: int | None
    """The order of the message; None: `links`, `sign_in` and the notices."""
    recipient: str
    locale: Locale
    message_id: str
    attempts: int
    """Number of attempts, this one included."""
    is_old: bool
    """True if the message was queued longer than `MAIL_GIVE_UP_HOURS` ago."""


class _Found(msgspec.Struct, frozen=True):
    found: bool


async def queue_messages(pool: Pool, settings: Settings) -> int:
    """Queue the messages for the next entries of the history; return their number if more may follow, else 0.

    During a sale the worker then reads twice per second. A transaction for every few entries would slow the sale.
    """

    async def queue(session: Session, events: Sequence[FeedEvent]) -> None:
        announced = [(event, kind) for event in events if (kind := _kind_of(event))]
        if announced:
            parameters = {
                "source_ids": [event.id for event, _ in announced],
                "order_ids": [event.order_id for event, _ in announced],
                "kinds": [kind for _, kind in announced],
                "delays_s": [HELD_DELAY_S if kind == "held" else 0 for _, kind in announced],
                "unpaid": [_is_unpaid(event) for event, _ in announced],
                "domain": settings.mail_domain,
                "limit": settings.unpaid_messages_per_hour or UNLIMITED,
            }
            await session.run(Statement(queries.messages.insert_messages, parameters))

    read = await read_feed(pool, FEED, _READ_MAX, queue)
    return read if read == _READ_MAX else 0


def _kind_of(event: FeedEvent) -> Kind | None:
    """Return the message that announces an entry of the history; None: the entry is not announced."""
    kind = _KINDS.get((event.subject, event.previous, event.status))
    return "event_cancelled" if kind == "cancelled" and event.reason == EVENT_CANCELLED else kind


def _is_unpaid(event: FeedEvent) -> bool:
    """Return whether an entry is about an order that was not paid."""
    return event.subject == "order" and event.status != "confirmed" and event.previous != "confirmed"


def notify(account_id: int, notice: Notice, settings: Settings) -> Statement[tuple[Any, ...]]:
    """Return the statement that queues a notice to an account, in the transaction of the change."""
    parameters = {"account_id": account_id, "kind": notice, "domain": settings.mail_domain}
    return Statement(queries.messages.insert_notice, parameters, affects=1)


async def has_due(pool: Pool) -> bool:
    """Return whether a message is due."""
    async with open_session(pool) as session:
        (row,) = await session.run(Statement(queries.messages.has_due, {}, _Found))
    return row.found


async def claim(pool: Pool, settings: Settings, *, any_priority: bool = False) -> Claimed | None:
    """Claim the most overdue message of the first priority for an attempt, or of any; return None if none is due."""
    parameters = {
        "any_priority": any_priority,
        "pause_s": LEASE_S,
        "pause_max_s": PAUSE_MAX_S,
        "give_up_hours": settings.mail_give_up_hours,
    }
    async with open_session(pool) as session:
        rows = await session.run(Statement(queries.messages.claim_message, parameters, Claimed))
    return rows[0] if rows else None


async def mark(pool: Pool, message: Claimed, outcome: Outcome, error: str | None = None) -> None:
    """Store the outcome of an attempt, with the response of a server that did not accept the message."""
    shown = None if error is None else error[:ERROR_MAX] or "unknown"
    parameters = {"id": message.id, "attempts": message.attempts, "status": outcome, "error": shown}
    async with open_session(pool) as session:
        await session.run(Statement(queries.messages.mark_message, parameters))


async def give_up_messages(pool: Pool, settings: Settings) -> int:
    """Give up a batch of messages that are older than `MAIL_GIVE_UP_HOURS`; return their number.

    So the messages of a venue without a mail server end, and a server that appears later sends no old news.
    """
    parameters = {"give_up_hours": settings.mail_give_up_hours, "limit": _PURGED_MAX}
    async with pool.connection() as connection:  # Its single statement needs no booking isolation.
        cursor = await connection.execute(queries.messages.give_up_messages.sql, parameters)
    return cursor.rowcount


async def purge_messages(pool: Pool, settings: Settings) -> int:
    """Purge a batch of messages that are older than `MESSAGES_KEPT_DAYS`; return the number of messages."""
    parameters = {"days": settings.messages_kept_days, "limit": _PURGED_MAX}
    async with pool.connection() as connection:  # Its single statement needs no booking isolation.
        cursor = await connection.execute(queries.messages.purge_messages.sql, parameters)
    return cursor.rowcount
