"""What the payment provider tells of by itself, signed as Standard Webhooks says: made here, and verified here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
import standardwebhooks

from api.errors import InvalidRequest, Unauthorized, invalid
from api.payments.http_provider import AmountMinor, ChargeStatus, Currency
from api.schemas import Reference, Text

ID_MAX = 256
"""The longest id of a webhook, in characters."""

EVENT_OF: Final[Mapping[ChargeStatus, str]] = {
    "processing": "charge.processing",
    "captured": "charge.captured",
    "declined": "charge.declined",
    "refunded": "charge.refunded",
}
_STATUS_OF: Final = {event: status for status, event in EVENT_OF.items()}


class ChargeData(msgspec.Struct, frozen=True):
    """The charge that an event is about; `amount` in the currency's minor unit."""

    reference: Reference
    amount: AmountMinor
    currency: Currency


class ChargeEvent(msgspec.Struct, frozen=True):
    """A webhook's body, of the types that this system understands."""

    type: str
    timestamp: datetime
    """When it happened; the time in the headers is when it was sent."""
    data: ChargeData


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook whose signature was verified. Its repeats have the same id."""

    id: str
    type: str
    reference: str = ""
    """Empty, like what follows, if the type is not one of a charge."""
    amount_minor: int = 0
    currency: str = ""

    @property
    def status(self) -> ChargeStatus | None:
        """How the charge stands according to it; None: it is of a type to be ignored."""
        return _STATUS_OF.get(self.type)


class _AnyEvent(msgspec.Struct, frozen=True):
    type: Text


def sign(secret: str, webhook_id: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    """Return the headers of a webhook; `sent_at` is of this attempt and in UTC."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(secret).sign(webhook_id, sent_at, body.decode()),
    }


def verify(secret: str, body: bytes, headers: Mapping[str, str]) -> Webhook:
    """Return what a webhook says, if it was signed with this secret within the last five minutes.

    Raises:
        Unauthorized: a signature is missing, wrong or too old.
        InvalidRequest: it was signed, but is not understood. A type that is not known is no reason.
    """
    given = {name.lower(): value for name, value in headers.items()}  # one of each, whoever reads it
    try:
        standardwebhooks.Webhook(secret).verify(body, given, json_parse=False)
    except (standardwebhooks.WebhookVerificationError, ValueError):  # a ValueError: a header or a body beyond reading
        raise Unauthorized() from None
    webhook_id = given["webhook-id"]
    if len(webhook_id) > ID_MAX:
        raise InvalidRequest(f"must have at most {ID_MAX} characters", field="webhook-id")
    try:
        kind = msgspec.json.decode(body, type=_AnyEvent).type
        if kind not in _STATUS_OF:
            return Webhook(id=webhook_id, type=kind)
        data = msgspec.json.decode(body, type=ChargeEvent).data
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"not valid JSON: {error}") from None
    return Webhook(id=webhook_id, type=kind, reference=data.reference, amount_minor=data.amount, currency=data.currency)
