"""The bodies of responses to staff, in camelCase on the wire."""

from datetime import datetime
from typing import Literal

import msgspec


class DeskMail(msgspec.Struct, frozen=True, rename="camel"):
    """The last e-mail about an order."""

    kind: str
    status: Literal["queued", "sent", "bounced", "dead", "skipped"]
    """`bounced`: the mail server refused it for good. `dead`: it was given up. `skipped`: it was no longer true."""
    created_at: datetime
    error: str | None
    """The last response of a mail server that did not accept the e-mail."""


class DeskOrder(msgspec.Struct, frozen=True, rename="camel"):
    """An order as the staff of its event see it. It has no secret and no codes of tickets."""

    reference: str
    short_reference: str
    status: str
    payment: str
    user_id: str
    email: str | None
    quantity: int
    total: float
    currency: str
    currency_digits: int
    created_at: datetime
    mail: DeskMail | None
    """Null if no e-mail about the order was queued, or the last one was purged."""


class DeskOrders(msgspec.Struct, frozen=True):
    """The orders of an event that a search has found, newest first."""

    orders: list[DeskOrder]
