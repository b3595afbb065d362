"""The check that the payment provider can charge the prices of all events on sale, before the API sells anything."""

import psycopg

from api.config import Settings
from api.database import queries
from api.database.migrations import connect
from api.errors import SetupError
from api.payments.minor_units import UnchargeableAmount, to_stripe
from api.payments.provider import Amount

_SHOWN_MAX = 5
"""Prices that the message names."""


def check_prices(conninfo: str, settings: Settings) -> None:
    """Refuse a price that Stripe cannot charge, because its buyers would hold tickets and never reach a page to pay.

    A database that is unavailable or not migrated is no error, because the API starts with it.

    Raises:
        SetupError: the message names the events, their ticket types and the reasons.
    """
    if settings.payment_provider != "stripe":
        return
    try:
        with connect(conninfo) as connection:
            rows = connection.execute(queries.events.list_prices.sql).fetchall()
    except psycopg.Error:
        return
    reasons = [
        f"event {event}, ticket type {tier}: {reason}"
        for event, tier, price_minor, currency in rows
        if (reason := _refusal(Amount(price_minor, currency)))
    ]
    if reasons:
        lines = ["Stripe cannot charge these prices. Change them, or cancel the events.", *reasons[:_SHOWN_MAX]]
        if more := len(reasons) - len(lines) + 1:
            lines.append(f"and {more} more")
        raise SetupError("\n  ".join(lines))


def _refusal(price: Amount) -> str | None:
    """Return the reason for which Stripe cannot charge a price; None: it can."""
    try:
        to_stripe(price)
    except UnchargeableAmount as error:
        return str(error)
    return None
