"""E-mails that buyers request: the link to one order again, and the links to all orders of an address."""

import msgspec
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import NotFound, RateLimited
from api.schemas import Locale
from api.services.access import Access
from api.services.event_rules import takes_place
from api.services.mail.outbox import UNLIMITED, Kind
from api.services.order_rows import LockedOrder, is_ended_by_event
from api.services.orders import lock

_HOUR_S = 3600
_KIND_OF: dict[str, Kind] = {
    "pending": "held",
    "confirmed": "confirmed",
    "declined": "declined",
    "expired": "expired",
    "cancelled": "cancelled",
}
"""The message that describes an order, by the order's status."""


class _Requested(msgspec.Struct, frozen=True):
    """A row of `message_requests.count_requested`."""

    about_order: int
    to_address: int
    wait_s: int


async def send_order(
    pool: Pool, settings: Settings, reference: str, access: Access, email: str, locale: Locale | None
) -> None:
    """Queue a message about the present state of an order to an address, which becomes the order's own.

    Raises:
        psycopg.Error: nothing changed.
        CommitUnknownError: the message may be queued.
        NotFound: no order that the request may access has this reference.
        RateLimited: too many messages were requested about this order, or to this address.
    """
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        locked = await session.run(lock([reference]))
        if not locked or not access.admits(locked[0]):
            raise NotFound(f"booking {reference}")
        order = locked[0]
        await session.run(Statement(queries.message_requests.lock_address, {"email": email}))
        await _check_limit(session, settings, order.id, email)
        contact = {"order_id": order.id, "email": email, "locale": locale}
        await session.run(Statement(queries.message_requests.change_contact, contact, affects=1))
        message = {
            "source_ids": [None],
            "order_ids": [order.id],
            "kinds": [_kind_of(order)],
            "delays_s": [0],
            "unpaid": [False],  # The limits of requests apply instead.
            "limit": UNLIMITED,
            "domain": settings.mail_domain,
        }
        await session.run(Statement(queries.messages.insert_messages, message, affects=1))


def _kind_of(order: LockedOrder) -> Kind:
    """Return the message that describes an order. A hold that has ended needs another text without its event."""
    if is_ended_by_event(order) or (order.status == "expired" and not takes_place(order)):
        return "event_cancelled"
    return _KIND_OF[order.status]


async def _check_limit(session: Session, settings: Settings, order_id: int, email: str) -> None:
    """Refuse a further message.

    Raises:
        RateLimited: too many messages were requested about this order, or to this address.
    """
    quota = settings.messages_per_hour
    parameters = {"order_id": order_id, "email": email}
    (requested,) = await session.run(Statement(queries.message_requests.count_requested, parameters, _Requested))
    if quota and max(requested.about_order, requested.to_address) >= quota:
        raise RateLimited("messages", quota=quota, window_s=_HOUR_S, retry_after_s=max(1, requested.wait_s))


async def send_links(pool: Pool, settings: Settings, email: str, locale: Locale | None) -> None:
    """Queue a message with the links to all orders of an address.

    An address without an order, or with too many requested messages, gets none. The caller cannot distinguish these
    cases by the result or by its time, so that nobody learns who has booked.

    Raises:
        psycopg.Error: nothing changed.
        CommitUnknownError: the message may be queued.
    """
    parameters = {
        "email": email,
        "locale": locale or "en",
        "domain": settings.mail_domain,
        "limit": settings.messages_per_hour or UNLIMITED,
    }
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await session.run(Statement(queries.message_requests.lock_address, {"email": email}))
        await session.run(Statement(queries.message_requests.write_log, {}))
        await session.run(Statement(queries.message_requests.insert_links, parameters))
