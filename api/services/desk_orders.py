"""Orders as the staff of an event see them."""

from datetime import datetime

import msgspec

from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.desk_schemas import DeskMail, DeskOrder
from api.errors import UnknownEvent
from api.money import currency_digits, to_major
from api.services.mail.outbox import Outcome
from api.services.short_reference import order_id_of, short_reference

FOUND_MAX = 50
"""The most orders that a search returns."""


class _FoundOrder(msgspec.Struct, frozen=True):
    """A row of `desk_orders.find_orders`; `total_minor` in the currency's minor units."""

    id: int
    reference: str
    status: str
    payment: str
    user_id: str
    email: str | None
    quantity: int
    total_minor: int
    currency: str
    created_at: datetime
    mail_kind: str | None
    mail_status: Outcome | None
    mail_created_at: datetime | None
    mail_error: str | None


async def search_orders(pool: Pool, event: str, search: str) -> list[DeskOrder]:
    """Return the orders of an event with a reference, a short reference or an e-mail address, newest first.

    Raises:
        UnknownEvent: no event has this slug.
    """
    parameters = {"event": event, "search": search, "order_id": order_id_of(search), "limit": FOUND_MAX}
    async with open_session(pool) as session:
        pipeline = session.pipeline()
        known = pipeline.add(Statement(queries.grants.find_event, {"event": event}))
        found = pipeline.add(Statement(queries.desk_orders.find_orders, parameters, _FoundOrder))
        await pipeline.run()
    if not known.rows:
        raise UnknownEvent(event)
    return [_to_schema(order) for order in found.rows]


def _to_schema(order: _FoundOrder) -> DeskOrder:
    return DeskOrder(
        reference=order.reference,
        short_reference=short_reference(order.id),
        status=order.status,
        payment=order.payment,
        user_id=order.user_id,
        email=order.email,
        quantity=order.quantity,
        total=to_major(order.total_minor, order.currency),
        currency=order.currency,
        currency_digits=currency_digits(order.currency),
        created_at=order.created_at,
        mail=_mail(order),
    )


def _mail(order: _FoundOrder) -> DeskMail | None:
    if order.mail_kind is None or order.mail_status is None or order.mail_created_at is None:
        return None
    return DeskMail(order.mail_kind, order.mail_status, order.mail_created_at, order.mail_error)
