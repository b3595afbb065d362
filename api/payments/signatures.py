"""Webhooks about charges, signed as Standard Webhooks defines."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import msgspec
import standardwebhooks

from api.payments.provider import AmountMinor, ChargeStatus, Currency
from api.schemas import Reference, Text, explain_malformed

ID_MAX = 256
"""The longest webhook id, in characters."""

EVENT_TYPES: Final[Mapping[ChargeStatus, str]] = {
    "processing": "charge.processing",
    "captured": "charge.captured",
    "declined": "charge.declined",
    "refunded": "charge.refunded",
}
"""The event type that reports each status of a charge."""
_STATUSES: Final = {event_type: status for status, event_type in EVENT_TYPES.items()}


class InvalidSignature(Exception):
    """The signature of a webhook is missing, wrong or expired."""


class InvalidWebhook(Exception):
    """A webhook has a valid signature, but its content is not valid.

    `reason` is a sentence or msgspec's message with a path. `field` is empty unless the fault is in a header.
    """

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


class ChargeData(msgspec.Struct, frozen=True):
    """The charge that an event reports; `amount` is in the currency's minor unit."""

    reference: Reference
    amount: AmountMinor
    currency: Currency


class ChargeEvent(msgspec.Struct, frozen=True):
    """The body of a webhook about a charge."""

    type: str
    timestamp: datetime
    """The time of the event. The header's timestamp is the time of the delivery attempt."""
    data: ChargeData


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook with a valid signature. Repeated deliveries have the same id."""

    id: str
    type: str
    reference: str = ""
    """Empty, like the fields below, if the event is not about a charge."""
    amount_minor: int = 0
    currency: str = ""
    changed: str = ""
    """The reference of an order whose payment or refunds changed. The settlement fetches them from the provider."""
    dispute_id: str = ""
    """The provider's id of a dispute that changed; empty if the event is about something else."""

    @property
    def status(self) -> ChargeStatus | None:
        """Return the reported status of the charge, or None for an event type to ignore."""
        return _STATUSES.get(self.type)


WebhookReader = Callable[[bytes, Mapping[str, str]], Webhook]
"""Returns the webhook of a body and headers; raises InvalidSignature or InvalidWebhook."""


class _AnyEvent(msgspec.Struct, frozen=True):
    type: Text


def sign(secret: str, webhook_id: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    """Return the headers of a webhook; `sent_at` is the time of this delivery attempt, in UTC."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(secret).sign(webhook_id, sent_at, body.decode()),
    }


def verify(secret: str, body: bytes, headers: Mapping[str, str]) -> Webhook:
    """Return a webhook that was signed with this secret within the last five minutes.

    Unknown event types are valid.

    Raises:
        InvalidSignature: the signature is missing, wrong or expired.
        InvalidWebhook: the signature is valid, but the id or the body is not.
    """
    normalized = {name.lower(): value for name, value in headers.items()}
    try:
        standardwebhooks.Webhook(secret).verify(body, normalized, json_parse=False)
    except (standardwebhooks.WebhookVerificationError, ValueError):  # ValueError: a header or the body is not readable.
        raise InvalidSignature from None
    webhook_id = normalized["webhook-id"]
    if len(webhook_id) > ID_MAX:
        raise InvalidWebhook(f"must have at most {ID_MAX} characters", field="webhook-id")
    try:
        event_type = msgspec.json.decode(body, type=_AnyEvent).type
        if event_type not in _STATUSES:
            return Webhook(id=webhook_id, type=event_type)
        data = msgspec.json.decode(body, type=ChargeEvent).data
    except msgspec.ValidationError as error:
        raise InvalidWebhook(str(error)) from None
    except msgspec.DecodeError as error:
        raise InvalidWebhook(explain_malformed(body, error)) from None
    except RecursionError:  # The decoder also reads the fields that it ignores.
        raise InvalidWebhook("is nested too deeply") from None
    return Webhook(
        id=webhook_id, type=event_type, reference=data.reference, amount_minor=data.amount, currency=data.currency
    )
